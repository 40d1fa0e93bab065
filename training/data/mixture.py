"""The mixture of all abilities, as batches that share what stands before the user's words."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from training.data.answers import (
    chat_sample,
    composer_sample,
    long_composer_sample,
    step_sample,
)
from training.data.judging import kind_sample, verdict_sample
from training.data.native import native_batch
from training.data.phrasing import Source, Split
from training.data.plans import long_planner_batch, planner_batch
from training.data.sample import Sample
from training.data.team import team_sample
from training.data.words import Words

Maker = Callable[[Source, Words, int], list[Sample]]


def batches(
    seed: int, split: Split = "train", pieces: Sequence[str] = ()
) -> Iterator[list[Sample]]:
    """Endless batches of samples; the same seed gives the same ones.

    Args:
        seed: Of every choice.
        split: Which phrasings to use.
        pieces: Word pieces of the tokenizer, for practice in copying.
    """
    return _mixed(seed, split, pieces, _SHORT)


def long_batches(
    seed: int, split: Split = "train", pieces: Sequence[str] = ()
) -> Iterator[list[Sample]]:
    """Batches of what needs long rows: the software team, long lists of tools, long pages."""
    return _mixed(seed, split, pieces, _LONG)


def _mixed(
    seed: int, split: Split, pieces: Sequence[str], mixture: Sequence[tuple[float, Maker]]
) -> Iterator[list[Sample]]:
    rng = random.Random(seed)
    source, words = Source(rng, split), Words(rng, pieces)
    makers, weights = [maker for _, maker in mixture], [weight for weight, _ in mixture]
    while True:
        (make,) = rng.choices(makers, weights)
        yield make(source, words, rng.randint(8, 16))


def _each(make: Callable[[Source, Words], Sample]) -> Maker:
    """Samples that are drawn one by one, and share no more than their fixed words."""
    return lambda source, words, size: [make(source, words) for _ in range(size)]


_SHORT: Sequence[tuple[float, Maker]] = (
    (0.65, planner_batch),
    (0.03, native_batch),
    (0.12, _each(composer_sample)),
    (0.075, _each(step_sample)),
    (0.085, _each(chat_sample)),
    (0.03, _each(kind_sample)),
    (0.04, _each(verdict_sample)),
)
_LONG: Sequence[tuple[float, Maker]] = (
    (0.40, lambda source, words, size: [team_sample(source, words)]),
    # Their list of tools fills most of a row.
    (0.40, lambda source, words, size: long_planner_batch(source, words, 2)),
    (0.20, lambda source, words, size: [long_composer_sample(source, words)]),
)
