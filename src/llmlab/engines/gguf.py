"""What a GGUF model file is, before any engine sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmlab.engines.gguf_reader import Header, Value, read_header, refused

_PART = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$")
MAX_PARTS: Final = 1000

# general.file_type, llama.cpp's `llama_ftype`.
_QUANTIZATIONS: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4", 39: "NVFP4",
    40: "Q1_0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufInfo:
    """What a model file says of itself; 0 and ``""`` where it does not.

    Attributes:
        architecture: llama.cpp's name of the architecture, such as ``llama``.
        name: The name in the file.
        context_length: Tokens of context that the model was trained for.
        layers: Transformer layers.
        kv_heads: Key and value heads of a layer, the most where layers differ.
        head_dim: Length of one key.
        embedding_length: Length of a hidden state.
        file_size: Bytes of all parts together.
        parameter_count: Numbers in all tensors.
        chat_template: Whether the file has a chat template.
        quantization: Type of the weights, such as ``Q8_0``.
        pooling: Whether the model pools its states, as embedding models do.
        parts: The files that it is made of, the first one first.
    """

    architecture: str
    name: str
    context_length: int
    layers: int
    kv_heads: int
    head_dim: int
    embedding_length: int
    file_size: int
    parameter_count: int
    chat_template: bool
    quantization: str
    pooling: bool
    parts: tuple[Path, ...]


def inspect_gguf(path: Path) -> GgufInfo:
    """Check a model file, all its parts included, and tell what it is.

    Args:
        path: The file; the first one of a model in several.

    Raises:
        InvalidModelFileError: A part is missing, truncated, foreign or absurd, or it is no
            language model; the message names the file and what is wrong.
    """
    header = read_header(path)
    parts = _parts(path, header)
    headers = [header, *(read_header(part) for part in parts[1:])]
    return _describe(path, header.values, headers, parts)


def _parts(path: Path, header: Header) -> tuple[Path, ...]:
    count = header.values.get("split.count", 1)
    if not isinstance(count, int) or not 0 <= count <= MAX_PARTS:
        raise refused(path, f"it claims to be one of {count!r} parts")
    if count <= 1:
        return (path,)
    found = _PART.match(path.name)
    if found is None or int(found["count"]) != count:
        raise refused(path, f"it is one of {count} parts, and its name does not say which")
    if int(found["number"]) != 1:
        raise refused(path, f"it is part {int(found['number'])} of {count}; give the first part")
    names = [f"{found['stem']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]
    return tuple(path.with_name(name) for name in names)


def _describe(
    path: Path, values: Mapping[str, Value], headers: list[Header], parts: tuple[Path, ...]
) -> GgufInfo:
    architecture = _text(values.get("general.architecture"))
    if not architecture:
        raise refused(path, "it names no architecture")
    kind = _text(values.get("general.type")) or "model"
    if kind != "model" or architecture == "clip":
        raise refused(path, f"it is no language model but of the kind {kind} ({architecture})")
    fields = _Fields(path, values, architecture)
    embedding = fields.required("embedding_length", 1 << 24)
    heads = fields.optional("attention.head_count", 1 << 16)
    kv_heads = fields.optional("attention.head_count_kv", 1 << 16) or heads
    head_dim = fields.optional("attention.key_length", 1 << 24) or embedding // max(1, heads)
    return GgufInfo(
        architecture=architecture,
        name=_text(values.get("general.name")),
        context_length=fields.required("context_length", 1 << 31),
        layers=fields.required("block_count", 1 << 14),
        kv_heads=kv_heads,
        head_dim=head_dim,
        embedding_length=embedding,
        file_size=sum(header.file_size for header in headers),
        parameter_count=sum(header.parameters for header in headers),
        chat_template="tokenizer.chat_template" in values,
        quantization=_quantization(values.get("general.file_type")),
        pooling=bool(fields.optional("pooling_type", 16)),
        parts=parts,
    )


class _Fields:
    """The numbers that belong to the file's architecture."""

    def __init__(self, path: Path, values: Mapping[str, Value], architecture: str) -> None:
        self._path = path
        self._values = values
        self._architecture = architecture

    def required(self, name: str, limit: int) -> int:
        value = self.optional(name, limit)
        if value < 1:
            raise refused(self._path, f"it lacks {self._architecture}.{name}")
        return value

    def optional(self, name: str, limit: int) -> int:
        key = f"{self._architecture}.{name}"
        value = self._values.get(key, 0)
        if isinstance(value, tuple):
            # Some architectures have a number for each layer.
            value = max(value, default=0)
        if value is None or isinstance(value, bool | str | float) or not 0 <= value <= limit:
            raise refused(self._path, f"its {key} is {value!r}")
        return value


def _text(value: Value) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value if letter.isprintable())[:200]


def _quantization(file_type: Value) -> str:
    return _QUANTIZATIONS.get(file_type, "") if isinstance(file_type, int) else ""
