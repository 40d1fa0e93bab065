"""Reads an exported model back, so that training can go on where no checkpoint was kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gguf
import torch

from training.config import ModelConfig
from training.export import gguf_name
from training.model import LabMini
from training.tokenizer import Vocabulary

_SHAPE = {
    "width": "embedding_length",
    "layers": "block_count",
    "hidden": "feed_forward_length",
    "heads": "attention.head_count",
    "kv_heads": "attention.head_count_kv",
    "context": "context_length",
}


def restore(path: Path) -> tuple[LabMini, Vocabulary]:
    """The model in a GGUF file that `export` wrote, its weights as precise as Q8_0 left them.

    Raises:
        KeyError: The file lacks a tensor or a field of lab-mini.
    """
    reader = gguf.GGUFReader(path)
    vocabulary = Vocabulary.of_gguf(path)
    shape = {name: reader.fields[f"llama.{key}"].contents() for name, key in _SHAPE.items()}
    model = LabMini(ModelConfig(vocabulary=len(vocabulary.tokens), **shape))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    model.load_state_dict({name: _values(tensors[gguf_name(name)]) for name in model.state_dict()})
    return model, vocabulary


def reworded(model: LabMini, old: Vocabulary, new: Vocabulary) -> LabMini:
    """The same model over a larger vocabulary: a new token starts as what its pieces add up to."""
    larger = LabMini(replace(model.config, vocabulary=len(new.tokens)))
    state = model.state_dict()
    pieces = [old.pieces_of(token) for token in new.tokens]
    embedding = state["embedding.weight"]
    # Divided by the root, it is about as long as theirs are.
    rows = [embedding[ids].sum(dim=0) / len(ids) ** 0.5 for ids in pieces]
    state["embedding.weight"] = torch.stack(rows)
    larger.load_state_dict(state)
    return larger


def _values(tensor: gguf.ReaderTensor) -> torch.Tensor:
    return torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
