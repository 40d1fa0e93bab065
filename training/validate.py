"""Measures checkpoints by the loss of answers in held-out wordings.

It has far less noise than counts of right plans have, and takes seconds:
python -m training.validate training/out another/folder
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import functional

from training.config import RECIPES
from training.feed import tensors
from training.model import LabMini, additive, branch_mask
from training.packing import Rows, step_rows
from training.run import FOLDER
from training.train import load

_SEED = 20_000_003
_STEPS = 30


def main() -> None:
    """Prints a line for each folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[FOLDER])
    parser.add_argument("--recipe", choices=RECIPES, default="small")
    arguments = parser.parse_args()
    shape, config = RECIPES[arguments.recipe]
    config = replace(config, seed=_SEED)
    for folder in arguments.folders:
        model, vocabulary = load(shape, folder)
        steps = range(1, _STEPS + 1)
        loss, wrong = measure(
            model, (step_rows(vocabulary, config, step, "held_out") for step in steps)
        )
        print(f"{folder}: loss {loss:.4f}, {100 * wrong:.2f} % of the tokens wrong", flush=True)


@torch.no_grad()
def measure(model: LabMini, batches: Iterable[Rows]) -> tuple[float, float]:
    """The mean loss of the answers' tokens, in nats, and the share that is not the likeliest."""
    total, wrong, count = 0.0, 0, 0
    for rows in map(tensors, batches):
        # Tokens of the context weigh less than one.
        answers = (rows["weights"].flatten() >= 1).nonzero().flatten()
        mask = additive(branch_mask(rows["documents"], rows["branches"]))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(rows["tokens"], rows["positions"], mask, answers)
        wanted = rows["targets"].flatten()[answers]
        total += float(functional.cross_entropy(logits.float(), wanted, reduction="sum"))
        wrong += int((logits.argmax(-1) != wanted).sum())
        count += len(wanted)
    return total / count, wrong / count


if __name__ == "__main__":
    main()
