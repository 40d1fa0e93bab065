"""One command for all of it: train, export, evaluate, ship.

python -m training.run --minutes 45
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import torch

from training.config import RECIPES, ModelConfig, TrainConfig
from training.export import NAME, export
from training.model import LabMini
from training.restore import restore, reworded
from training.tokenizer import Vocabulary
from training.train import begin, learn_vocabulary, load, train

VERSION = "0.12.0"
_ROOT = Path(__file__).resolve().parent.parent
SHIPPED = _ROOT / "src/llmlab/models/builtin"
FOLDER = _ROOT / "training/out"
# The rate begins at five sevenths of the peak and falls from the first step.
_DECAY_AGAIN = 1.4


def main() -> None:
    """Parses the arguments and runs the stages."""
    arguments = _parser().parse_args()
    torch.set_num_threads(arguments.threads)
    shape, config = RECIPES[arguments.recipe]
    steps = arguments.steps or config.steps
    config = replace(
        config,
        seed=arguments.seed,
        steps=steps,
        minutes=arguments.minutes,
        word_merges=arguments.word_merges,
    )
    if arguments.start:
        config = replace(config, decay=_DECAY_AGAIN)
        shape = _begin_with(arguments.start, config, arguments.folder)
    if arguments.export_only:
        stage = load(shape, arguments.folder)
    else:
        device = _device(arguments.device)
        workers = _workers(arguments.workers, device)
        try:
            stage = train(shape, config, arguments.folder, device, workers)
        except KeyboardInterrupt:
            sys.exit(f"Stopped. The same command goes on from what is in {arguments.folder}.")
    ship(*stage, arguments.output)
    if arguments.output == SHIPPED:
        print(f"It has replaced the shipped one, which `git restore {SHIPPED}` brings back.")


def _begin_with(path: Path, config: TrainConfig, folder: Path) -> ModelConfig:
    """Makes an exported model the start of the run in a folder that has none; its shape."""
    model, vocabulary = restore(path)
    if not (folder / "checkpoint.pt").exists():
        larger = learn_vocabulary(config, vocabulary)
        begin(reworded(model, vocabulary, larger), larger, config, folder)
    return model.config


def ship(model: LabMini, vocabulary: Vocabulary, output: Path) -> None:
    """Writes the GGUF file and, beside it, what the catalog says about it."""
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{NAME}.gguf"
    export(model, vocabulary, VERSION, path)
    card = {
        "name": NAME,
        "version": VERSION,
        "file": path.name,
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "context_length": model.config.context,
        "quantization": "Q8_0",
        "demo": True,
        "note": "A tiny demo model: it plans with tools and answers plain small talk. "
        "Add a larger model for real work.",
    }
    (output / f"{NAME}.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(f"{path}: {card['bytes']} bytes, sha256 {card['sha256']}")


def _device(named: str | None) -> torch.device:
    return torch.device(named or ("cuda" if torch.cuda.is_available() else "cpu"))


def _workers(named: int | None, device: torch.device) -> int:
    """Processors that train have no core to spare; a GPU waits for its data."""
    if named is not None:
        return named
    return 0 if device.type == "cpu" else max(1, (os.cpu_count() or 2) - 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--output", type=Path, default=SHIPPED)
    parser.add_argument("--seed", type=int, default=TrainConfig.seed)
    parser.add_argument("--recipe", choices=RECIPES, default="small")
    parser.add_argument("--steps", type=int, help="another number than the recipe's")
    parser.add_argument("--minutes", type=float, help="wall-clock budget of the training")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", help="cpu or cuda; the GPU if there is one")
    parser.add_argument(
        "--workers",
        type=int,
        help="processes that make the data ahead; all cores but one with a GPU, none without",
    )
    parser.add_argument(
        "--word-merges",
        type=int,
        default=TrainConfig.word_merges,
        help="size of a new vocabulary; with --start, to how many merges of letters it grows",
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="GGUF",
        help="train an exported model further, such as the shipped one, unless the folder has a "
        "checkpoint to go on from; take another --seed then",
    )
    parser.add_argument(
        "--export-only", action="store_true", help="export the newest checkpoint, train nothing"
    )
    return parser


if __name__ == "__main__":
    main()
