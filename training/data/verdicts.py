"""Verdicts on answers in the words of many assistants, good ones and bad ones alike."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmlab.workflows.orchestrated.prompting import validator_messages
from training.data.corpus import Block, blocks
from training.data.lookup import BROWSE, CLOCK, SEARCH
from training.data.phrasing import Source, Split, is_held_out_kind, polish
from training.data.rough import roughened
from training.data.sample import Sample
from training.data.slots import Slots
from training.data.words import Words

_INSTRUCTIONS = {
    "calculator": "Calculate.",
    "web_search": SEARCH,
    "browser": BROWSE,
    "datetime": CLOCK,
}
# What is said of a bad answer, and how bad it is.
_REASONS = {
    "number": (2, "The answer has a number that is not the result."),
    "other": (3, "The answer tells something else of the results."),
    "opposite": (2, "The answer says the opposite of the results."),
    "invented": (3, "The answer says what the results do not hold."),
    "vague": (2, "The answer does not say what was asked for."),
    "else": (1, "The answer is about something else."),
    "refused": (2, "The results hold the answer, but the answer refuses."),
    "claimed": (1, "A step failed, but the answer claims a result."),
    "language": (4, "The answer is in another language than the request."),
    "cut": (3, "The answer is cut off."),
    "echo": (1, "The answer only repeats the request."),
}
_PART = re.compile(r"part (\d)")


@dataclass(frozen=True)
class Answered:
    """A request with results, and answers to it.

    Attributes:
        requests: Ways of asking.
        results: What each step gave, as (tool, output).
        good: Answers that can be given to the user.
        bad: Answers that cannot, each with score, feedback and wordings.
    """

    requests: tuple[str, ...]
    results: tuple[tuple[str, str], ...]
    good: tuple[str, ...]
    bad: tuple[tuple[int, str, tuple[str, ...]], ...]


def verdict(source: Source, words: Words) -> Sample:
    """An answer of the corpus, and what a validator says about it."""
    case = source.rng.choice(cases(source.split))
    slots = Slots(source, words, {"r": "any", "x": "any"})
    score, feedback, answers = (10, "", case.good)
    if case.bad and source.chance(0.52):
        score, feedback, answers = source.rng.choice(case.bad)
    elif any(output.startswith("Error") for _, output in case.results):
        # Honest, but no help.
        score = 6
    answer = slots.written(source.phrase_whole(answers))
    request = polish(source, slots.said(roughened(source, source.phrase_whole(case.requests))))
    filled = [(slots.written(tool), slots.written(output)) for tool, output in case.results]
    results = [(_INSTRUCTIONS.get(tool, f"Use {tool}."), tool, out) for tool, out in filled]
    told: dict[str, Any] = {"ok": score >= 5, "score": score, "feedback": feedback}
    messages = validator_messages(request, answer, results)
    return Sample("verdict", messages, json.dumps(told, ensure_ascii=False))


@cache
def cases(split: Split) -> Sequence[Answered]:
    """Those of a split: some are never trained on.

    Raises:
        ValueError: A block is not of the form that the corpus has.
    """
    everything = [read(block) for block in blocks("verdicts/*.txt")]
    held_out = split == "held_out"
    return [case for case in everything if is_held_out_kind(case.requests[0]) == held_out]


def read(block: Block) -> Answered:
    """A request and its answers from their block.

    Raises:
        ValueError: The block is not of the form that the corpus has.
    """
    results: list[tuple[str, str]] = []
    good: list[str] = []
    bad: list[tuple[int, str, tuple[str, ...]]] = []
    for line in block.lines:
        kind, _, rest = line.partition(" ")
        name, colon, told = rest.partition(": ")
        if kind == "=" and colon:
            results.append((name, told))
        elif kind == "+":
            good += rest.split(" | ")
        elif kind == "-" and colon:
            score, feedback = _judged(name, block)
            if name == "refused" and not results:
                feedback = "The answer refuses, though no tool is needed."
            bad.append((score, feedback, tuple(told.split(" | "))))
        else:
            raise ValueError(f"{block.source}: {block.head}: no result and no answer: {line}")
    if not good:
        raise ValueError(f"{block.source}: {block.head}: no good answer")
    return Answered(tuple(block.head.split(" | ")), tuple(results), tuple(good), tuple(bad))


def _judged(reason: str, block: Block) -> tuple[int, str]:
    if part := _PART.fullmatch(reason):
        return 4, f"The answer leaves out result {part[1]}."
    if reason not in _REASONS:
        raise ValueError(f"{block.source}: {block.head}: unknown reason: {reason}")
    return _REASONS[reason]
