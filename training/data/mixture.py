"""The mixture of all abilities, as batches that share what stands before the user's words."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from training.data.answers import chat_sample, composer_sample, step_sample
from training.data.native import native_batch
from training.data.phrasing import Source, Split
from training.data.plans import planner_batch
from training.data.sample import Sample
from training.data.words import Words

_PLANNER, _COMPOSER, _STEP, _CHAT, _NATIVE = 0.6, 0.12, 0.1, 0.09, 0.09


def batches(
    seed: int, split: Split = "train", pieces: Sequence[str] = ()
) -> Iterator[list[Sample]]:
    """Endless batches of samples; the same seed gives the same ones.

    Args:
        seed: Of every choice.
        split: Which phrasings to use.
        pieces: Word pieces of the tokenizer, for practice in copying.
    """
    rng = random.Random(seed)
    source, words = Source(rng, split), Words(rng, pieces)
    while True:
        yield _batch(source, words)


def _batch(source: Source, words: Words) -> list[Sample]:
    size = source.rng.randint(5, 10)
    draw = source.rng.random()
    if draw < _PLANNER:
        return planner_batch(source, words, size)
    if draw < _PLANNER + _NATIVE:
        return native_batch(source, words, size)
    if draw < _PLANNER + _NATIVE + _COMPOSER:
        return [composer_sample(source, words) for _ in range(size)]
    if draw < _PLANNER + _NATIVE + _COMPOSER + _STEP:
        return [step_sample(source, words) for _ in range(size)]
    return [chat_sample(source, words) for _ in range(size)]
