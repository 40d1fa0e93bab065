"""Plans for requests that the generator puts together from clauses, one kind at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from llmlab.workflows.chat.tool import ToolDescription
from training.data import calculator, chained, relays
from training.data.invented import Offered, framed_offers
from training.data.newtools import Offer
from training.data.phrasing import Source, Split, polish
from training.data.sample import Step
from training.data.toolbox import known
from training.data.words import Words
from training.evaluate.cases import PlanCase

_Drawn = tuple[str, Sequence[Step], Sequence[ToolDescription]]
_FRAMED = 4


def composed_plans(split: Split, seed: int, count: int) -> list[PlanCase]:
    """As many requests of each kind, in words of one split."""
    return [case for kind in _MAKERS for case in _cases(kind, split, seed, count)]


def _cases(kind: str, split: Split, seed: int, count: int) -> list[PlanCase]:
    rng = random.Random(f"{seed}-{split}-{kind}")
    source, words = Source(rng, split), Words(rng)
    cases = []
    for _ in range(count):
        message, steps, tools = _MAKERS[kind](source, words)
        plan = [(step.tool, step.args) for step in steps]
        cases.append(PlanCase(f"composed/{kind}", message, tools, [plan]))
    return cases


def _tale(source: Source, words: Words) -> _Drawn:
    drawn = calculator.told(source)
    steps = [calculator.step(drawn.expression)]
    return polish(source, drawn.thing), steps, [known(source.rng, "calculator")]


def _tale_of_two(source: Source, words: Words) -> _Drawn:
    message, expressions = calculator.told_chain(source)
    steps = [calculator.step(one) for one in expressions]
    return message, steps, [known(source.rng, "calculator")]


def _framed(source: Source, words: Words) -> _Drawn:
    offered = _distinct(framed_offers(source, words, _FRAMED))
    message, step = source.rng.choice(offered).request(source, words)
    return message, [step], [one.tool for one in offered]


def _framed_twice(source: Source, words: Words) -> _Drawn:
    offered = _distinct(framed_offers(source, words, _FRAMED))
    asked = source.rng.sample(offered, min(2, len(offered)))
    request = chained.together(source, [one.request(source, words) for one in asked])
    return request.message, request.steps, [one.tool for one in offered]


def _relay(source: Source, words: Words) -> _Drawn:
    taking = relays.receivers(source, words)
    named = {one.tool.name for one in taking}
    telling: list[Offer] = []
    while not telling:
        telling = [one for one in relays.givers(source, words) if one.tool.name not in named]
    first = source.rng.choice(telling).request(source, words)
    request = relays.relayed(source, words, first, taking)
    return request.message, request.steps, [one.tool for one in _distinct([*taking, *telling])]


def _distinct(offered: Sequence[Offered]) -> list[Offered]:
    return list({one.tool.name: one for one in offered}.values())


_MAKERS: dict[str, Callable[[Source, Words], _Drawn]] = {
    "a tale of a sum": _tale,
    "a tale with two questions": _tale_of_two,
    "one of four tools that share words": _framed,
    "two of them": _framed_twice,
    "what one tool tells goes to another": _relay,
}
