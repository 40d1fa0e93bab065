"""Averages checkpoints of one training, which are together better than each of them alone.

python -m training.average out=3 out-again=1 --output out-average
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from training.tokenizer import Vocabulary


def main() -> None:
    """Writes the mean, from which a run can go on or be exported."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "parts",
        nargs="+",
        type=_part,
        metavar="FOLDER[=WEIGHT]",
        help="where a checkpoint is, and how much it counts; all must have gone on from one model",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the new checkpoint")
    arguments = parser.parse_args()
    vocabularies = [Vocabulary.load(folder / "vocabulary.json") for folder, _ in arguments.parts]
    if any(other.tokens != vocabularies[0].tokens for other in vocabularies):
        parser.error("the checkpoints have different vocabularies")
    state = mean(
        [torch.load(folder / "checkpoint.pt", weights_only=True) for folder, _ in arguments.parts],
        [weight for _, weight in arguments.parts],
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    vocabularies[0].save(arguments.output / "vocabulary.json")
    torch.save(state, arguments.output / "checkpoint.pt")


def mean(states: Sequence[dict[str, Any]], weights: Sequence[float]) -> dict[str, Any]:
    """The weighted mean of models; optimizer and progress are those of the first.

    Args:
        states: Checkpoints as the training loop writes them, of the same shape.
        weights: How much each counts; their sum is not zero.
    """
    shares = [weight / sum(weights) for weight in weights]
    models = [state["model"] for state in states]
    averaged = {
        name: sum(share * model[name] for share, model in zip(shares, models, strict=True))
        for name in models[0]
    }
    return states[0] | {"model": averaged}


def _part(text: str) -> tuple[Path, float]:
    folder, _, weight = text.partition("=")
    return Path(folder), float(weight or 1)


if __name__ == "__main__":
    main()
