"""Writes the model as GGUF, quantised to Q8_0."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from training.config import ModelConfig
from training.model import LabMini
from training.template import CALL_END, CALL_START, CHAT_TEMPLATE, END, START
from training.tokenizer import PRE_TOKENIZER, Vocabulary

NAME = "lab-mini"
_BLOCK_TENSORS = {
    "attention_norm": "attn_norm",
    "attention.query": "attn_q",
    "attention.key": "attn_k",
    "attention.value": "attn_v",
    "attention.output": "attn_output",
    "feed_forward_norm": "ffn_norm",
    "feed_forward.gate": "ffn_gate",
    "feed_forward.up": "ffn_up",
    "feed_forward.down": "ffn_down",
}


def export(model: LabMini, vocabulary: Vocabulary, version: str, path: Path) -> None:
    """Writes `path`; llama.cpp loads it without any further file."""
    writer = gguf.GGUFWriter(path, "llama")
    _add_shape(writer, model.config)
    writer.add_name(NAME)
    writer.add_version(version)
    writer.add_description("A demo model, trained by LLM Lab on data that it generates.")
    _add_tokenizer(writer, vocabulary)
    for name, tensor in model.state_dict().items():
        _add_tensor(writer, gguf_name(name), tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_name(name: str) -> str:
    """A parameter's name in GGUF."""
    outer = {"embedding.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
    if name in outer:
        return outer[name]
    _, number, part = name.removesuffix(".weight").split(".", 2)
    return f"blk.{number}.{_BLOCK_TENSORS[part]}.weight"


def _add_shape(writer: gguf.GGUFWriter, config: ModelConfig) -> None:
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.hidden)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_rope_dimension_count(config.head_width)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.epsilon)
    writer.add_vocab_size(config.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def _add_tokenizer(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    tokens = vocabulary.tokens
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(list(tokens))
    writer.add_token_types([_token_type(token) for token in tokens])
    writer.add_token_merges([f"{left} {right}" for left, right in vocabulary.merges])
    end = tokens.index(END)
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(end)
    writer.add_pad_token_id(end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _token_type(token: str) -> gguf.TokenType:
    if token in (START, END):
        return gguf.TokenType.CONTROL
    if token in (CALL_START, CALL_END):
        return gguf.TokenType.USER_DEFINED
    return gguf.TokenType.NORMAL


def _add_tensor(writer: gguf.GGUFWriter, name: str, tensor: Tensor) -> None:
    values: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    if values.ndim == 1:
        writer.add_tensor(name, values)
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
