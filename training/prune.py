"""Narrows the feed-forward parts of a checkpoint: a faster model that training then heals.

python -m training.prune --hidden 832
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.config import RECIPES, ModelConfig, TrainConfig
from training.model import LabMini, additive, branch_mask
from training.packing import step_rows
from training.run import FOLDER
from training.tokenizer import Vocabulary

_STEPS = 8
_PART = "feed_forward.down.weight"


def main() -> None:
    """Rewrites the checkpoint in the folder; the recipe's `hidden` must then be the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--recipe", choices=RECIPES, default="small")
    parser.add_argument("--hidden", type=int, required=True, help="neurons to keep in each block")
    arguments = parser.parse_args()
    shape, config = RECIPES[arguments.recipe]
    path = arguments.folder / "checkpoint.pt"
    state = torch.load(path, weights_only=True, map_location="cpu")
    vocabulary = Vocabulary.load(arguments.folder / "vocabulary.json")
    prune(state, vocabulary, shape, config, arguments.hidden)
    torch.save(state, path)
    print(f"{path}: {arguments.hidden} neurons in each block")


def prune(
    state: dict[str, Any],
    vocabulary: Vocabulary,
    shape: ModelConfig,
    config: TrainConfig,
    hidden: int,
) -> None:
    """Keeps the neurons that move the residual stream most, optimizer's state included.

    Args:
        state: A checkpoint as the training loop writes it; changed in place.
        vocabulary: The checkpoint's.
        shape: Of the model; its `hidden` is read from the checkpoint.
        config: Decides on which samples the neurons are weighed.
        hidden: How many to keep in each block.

    Raises:
        ValueError: The blocks have no more than that.
    """
    width = state["model"][f"blocks.0.{_PART}"].shape[1]
    if width <= hidden:
        raise ValueError(f"the blocks have {width} neurons; keep fewer than that, not {hidden}")
    model = LabMini(replace(shape, vocabulary=len(vocabulary.tokens), hidden=width))
    model.load_state_dict(state["model"])
    kept = [
        weight.topk(hidden).indices.sort().values for weight in _weights(model, vocabulary, config)
    ]
    # The loop gives Muon the blocks' matrices in the model's order.
    matrices = [n for n, p in model.named_parameters() if p.ndim == 2 and "blocks" in n]
    momenta = state["optimizers"][0]["state"]
    for number, name in enumerate(matrices):
        axis = _axis(name)
        if axis is None:
            continue
        index = kept[int(name.split(".")[1])]
        state["model"][name] = state["model"][name].index_select(axis, index)
        momentum = momenta[number]["momentum_buffer"]
        momenta[number]["momentum_buffer"] = momentum.index_select(axis, index)


def _axis(name: str) -> int | None:
    """Along which axis of a matrix the neurons lie."""
    if name.endswith(_PART):
        return 1
    return 0 if "feed_forward" in name else None


@torch.no_grad()
def _weights(model: LabMini, vocabulary: Vocabulary, config: TrainConfig) -> list[Tensor]:
    """For each block the mean square that each neuron adds to the residual stream, (hidden,)."""
    sums: dict[int, Tensor] = {}

    def weigh(module: torch.nn.Linear, inputs: tuple[Tensor]) -> None:
        energy = inputs[0].float().square().sum((0, 1)) * module.weight.square().sum(0)
        sums[id(module)] = sums.get(id(module), torch.zeros_like(energy)) + energy

    downs: list[torch.nn.Linear] = [block.feed_forward.down for block in model.blocks]  # type: ignore[union-attr,misc]
    hooks = [down.register_forward_pre_hook(weigh) for down in downs]
    for step in range(_STEPS):
        rows = step_rows(vocabulary, config, step)
        tokens, positions, documents, branches = (
            torch.from_numpy(getattr(rows, name))
            for name in ("tokens", "positions", "documents", "branches")
        )
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model(tokens, positions, additive(branch_mask(documents, branches)))
    for hook in hooks:
        hook.remove()
    return [sums[id(down)] for down in downs]


if __name__ == "__main__":
    main()
