"""The training loop: seeded, resumable, with Muon for matrices and AdamW for the rest."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.config import ModelConfig, TrainConfig
from training.data.mixture import batches, long_batches
from training.feed import feed
from training.model import LabMini, additive, branch_mask
from training.template import render
from training.tokenizer import Vocabulary, enlarge, learn

_VOCABULARY_BATCHES = 3000
_LOG_EVERY = 20


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        step: Optimizer steps done.
        seconds: Time spent in them, over all resumptions.
    """

    step: int = 0
    seconds: float = 0.0

    def share(self, config: TrainConfig) -> float:
        """Done share of the run, 0 to 1, by time where it has a time budget."""
        by_steps = self.step / config.steps
        by_time = self.seconds / (config.minutes * 60) if config.minutes else 0.0
        return max(by_steps, by_time)


def learn_vocabulary(config: TrainConfig, known: Vocabulary | None = None) -> Vocabulary:
    """Learns the tokenizer on what the generator gives, on top of a known one if there is one."""
    short = islice(batches(config.seed), _VOCABULARY_BATCHES)
    long = islice(long_batches(config.seed), _VOCABULARY_BATCHES // 10)
    samples = (sample for batch in chain(short, long) for sample in batch)
    # The system block is the same in most samples: once in a while is enough to learn it.
    texts = (render(sample.messages)[1] + sample.answer for sample in samples)
    heads = (render(batch[0].messages)[0] for batch in islice(batches(config.seed + 1), 400))
    if known:
        return enlarge(known, chain(texts, heads), config.word_merges)
    return learn(chain(texts, heads), config.word_merges)


def train(
    shape: ModelConfig,
    config: TrainConfig,
    folder: Path,
    device: torch.device,
    workers: int = 0,
) -> tuple[LabMini, Vocabulary]:
    """Trains, or goes on with the run in `folder`, until its steps or minutes are used up.

    Args:
        shape: Of the model; its vocabulary's size is found out.
        config: How it is trained.
        folder: Of the checkpoint and the vocabulary.
        device: Where it is trained.
        workers: Processes that make the data ahead; 0 makes it between the steps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _vocabulary(config, folder)
    torch.manual_seed(config.seed)
    model = LabMini(replace(shape, vocabulary=len(vocabulary.tokens))).to(device)
    optimizers = _optimizers(model, config)
    progress = _resume(folder, model, optimizers)
    compiled = torch.compile(model, dynamic=False)
    saved = progress.seconds
    rows = feed(vocabulary, config, progress.step, workers)
    while progress.share(config) < 1:
        started = time.monotonic()
        falling = min(1.0, (1 - progress.share(config)) / config.decay)
        _set_rate(optimizers, config, progress.step, falling)
        loss = _step(compiled, optimizers, next(rows), falling, device)
        progress.step += 1
        progress.seconds += time.monotonic() - started
        if progress.step % _LOG_EVERY == 0:
            print(f"step {progress.step} loss {loss:.4f} {progress.seconds:.0f} s", flush=True)
        if progress.seconds - saved > config.checkpoint_seconds:
            _save(folder, model, optimizers, progress)
            saved = progress.seconds
    _save(folder, model, optimizers, progress)
    return model, vocabulary


def begin(model: LabMini, vocabulary: Vocabulary, config: TrainConfig, folder: Path) -> None:
    """Makes a trained model the checkpoint that a run in `folder` goes on from."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary.save(folder / "vocabulary.json")
    _save(folder, model, _optimizers(model, config), Progress())


def load(shape: ModelConfig, folder: Path) -> tuple[LabMini, Vocabulary]:
    """The model of the newest checkpoint in `folder`."""
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    model = LabMini(replace(shape, vocabulary=len(vocabulary.tokens)))
    state = torch.load(folder / "checkpoint.pt", weights_only=True, map_location="cpu")
    model.load_state_dict(state["model"])
    return model, vocabulary


def _vocabulary(config: TrainConfig, folder: Path) -> Vocabulary:
    path = folder / "vocabulary.json"
    if not path.exists():
        learn_vocabulary(config).save(path)
    return Vocabulary.load(path)


def _optimizers(model: LabMini, config: TrainConfig) -> list[torch.optim.Optimizer]:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "blocks" in name]
    rest = [p for name, p in model.named_parameters() if p.ndim < 2 or "blocks" not in name]
    # With this adjustment both take the same learning rate.
    muon = torch.optim.Muon(
        matrices,
        lr=config.learning_rate,
        weight_decay=0.05,
        momentum=0.95,
        adjust_lr_fn="match_rms_adamw",
    )
    adam = torch.optim.AdamW(rest, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    return [muon, adam]


def _set_rate(
    optimizers: list[torch.optim.Optimizer], config: TrainConfig, step: int, falling: float
) -> None:
    warm = min(1.0, (step + 1) / config.warmup)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * warm * falling


def _step(
    model: Any,
    optimizers: list[torch.optim.Optimizer],
    rows: dict[str, Tensor],
    context: float,
    device: torch.device,
) -> float:
    rows = {name: tensor.to(device) for name, tensor in rows.items()}
    with torch.autocast(device.type, dtype=torch.bfloat16):
        mask = additive(branch_mask(rows["documents"], rows["branches"]))
        logits = model(rows["tokens"], rows["positions"], mask, rows["chosen"])
    weights = torch.where(rows["weights"] < 1, context * rows["weights"], rows["weights"])
    targets, weights = (one.flatten()[rows["chosen"]] for one in (rows["targets"], weights))
    loss = _loss(logits, targets, weights)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(
        [p for o in optimizers for g in o.param_groups for p in g["params"]], 1.0
    )
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float(loss.item())


def _loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    losses = functional.cross_entropy(logits.float(), targets, reduction="none")
    return (losses * weights).sum() / weights.sum()


def _save(
    folder: Path, model: LabMini, optimizers: list[torch.optim.Optimizer], progress: Progress
) -> None:
    state = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "step": progress.step,
        "seconds": progress.seconds,
    }
    torch.save(state, folder / "checkpoint.tmp")
    (folder / "checkpoint.tmp").replace(folder / "checkpoint.pt")


def _resume(folder: Path, model: LabMini, optimizers: list[torch.optim.Optimizer]) -> Progress:
    path = folder / "checkpoint.pt"
    if not path.exists():
        return Progress()
    device = next(model.parameters()).device
    state = torch.load(path, weights_only=True, map_location=device)
    model.load_state_dict(state["model"])
    for optimizer, stored in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(stored)
    return Progress(state["step"], state["seconds"])
