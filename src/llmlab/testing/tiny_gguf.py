"""Writes a small random Llama model as GGUF: real enough for llama.cpp, made in milliseconds.

It needs the package ``gguf``, which only developers install. The model answers printable ASCII
without sense and never ends by itself, so that tests decide by ``max_tokens`` how long it talks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CHAT_TEMPLATE = """\
{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}

{% endif %}# Tools
You may call functions. Their signatures are within <tools></tools>:
<tools>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools>
For each call, return a JSON object within <tool_call></tool_call>:
<tool_call>{"name": <name>, "arguments": <arguments>}</tool_call><|im_end|>
{% elif messages[0].role == 'system' %}<|im_start|>system
{{ messages[0].content }}<|im_end|>
{% endif %}{% for message in messages %}{% if message.role == 'tool' %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% elif message.role != 'system' or not loop.first %}<|im_start|>{{ message.role }}
{{ message.content or '' }}{% for call in message.tool_calls or [] %}
{% set function = call.function %}\
<tool_call>{"name": "{{ function.name }}", "arguments": {{ function.arguments | tojson }}}\
</tool_call>{% endfor %}<|im_end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4
_SPECIAL = {
    "<|im_start|>": _CONTROL,
    "<|im_end|>": _CONTROL,
    "<|endoftext|>": _CONTROL,
    "<tool_call>": _USER_DEFINED,
    "</tool_call>": _USER_DEFINED,
}
_MERGES = ("t h", "i n", "e r", "a n")


def write_tiny_gguf(
    path: Path,
    *,
    name: str = "tiny",
    context_length: int = 2048,
    layers: int = 2,
    width: int = 64,
    seed: int = 0,
    chat_template: str | None = CHAT_TEMPLATE,
) -> Path:
    """Write the model and return its path.

    Args:
        path: File to write.
        name: Name in the file's metadata.
        context_length: Tokens of context that the model claims to be trained for.
        layers: Transformer layers.
        width: Embedding length, a multiple of 64; heads are 32 wide, half of them KV heads.
        seed: Of the random weights; another seed is another model.
        chat_template: The Jinja template in the file; None for a model without one.
    """
    import gguf

    tokens, types = _vocabulary()
    path.parent.mkdir(parents=True, exist_ok=True)
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(context_length)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(width // 32)
    writer.add_head_count_kv(width // 64)
    writer.add_rope_dimension_count(32)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(list(_MERGES))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_eot_token_id(tokens.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    for tensor, values in _tensors(tokens, layers, width, seed):
        writer.add_tensor(tensor, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def token_id(token: str) -> int:
    """Return the id of a token, such as ``<tool_call>`` or ``a``."""
    return _vocabulary()[0].index(token)


def _vocabulary() -> tuple[list[str], list[int]]:
    plain = [*_byte_letters(), *(merge.replace(" ", "") for merge in _MERGES)]
    return [*plain, *_SPECIAL], [_NORMAL] * len(plain) + list(_SPECIAL.values())


def _byte_letters() -> list[str]:
    # GPT-2's mapping: bytes that print stand for themselves, the others for letters above 255.
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = [byte for byte in range(256) if byte not in printable]
    return [
        chr(byte) if byte in printable else chr(256 + hidden.index(byte)) for byte in range(256)
    ]


def _tensors(
    tokens: list[str], layers: int, width: int, seed: int
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    import numpy as np

    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, scale: float = 1.0) -> np.ndarray[Any, Any]:
        values = random.standard_normal((rows, columns)) * scale / columns**0.5
        return np.asarray(values, dtype=np.float16)

    ones = np.ones(width, dtype=np.float32)
    output = matrix(len(tokens), width, scale=8.0)
    # Tokens with a row of zeros are never likely: only printable ASCII is.
    for index, token in enumerate(tokens):
        if not token.isascii() or token in _SPECIAL:
            output[index] = 0
    yield "token_embd.weight", matrix(len(tokens), width, scale=width**0.5)
    yield "output.weight", output
    yield "output_norm.weight", ones
    for layer in range(layers):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", ones
        yield block + "attn_q.weight", matrix(width, width)
        yield block + "attn_k.weight", matrix(width // 2, width)
        yield block + "attn_v.weight", matrix(width // 2, width)
        yield block + "attn_output.weight", matrix(width, width)
        yield block + "ffn_norm.weight", ones
        yield block + "ffn_gate.weight", matrix(2 * width, width)
        yield block + "ffn_up.weight", matrix(2 * width, width)
        yield block + "ffn_down.weight", matrix(width, 2 * width)
