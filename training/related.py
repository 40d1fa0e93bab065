"""Counts which words of tools go with which words of requests, for the product's search of tools.

python -m training.related

IBM's model 1 (Brown and others, 1993), by expectation maximisation: each word of a tool's
description comes from one of the words of the request, or from none.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from llmlab.workflows.chat import related
from llmlab.workflows.chat.bm25 import FILLING
from llmlab.workflows.chat.related import stems
from training.data.corpus import blocks
from training.data.frames import things, verbs
from training.data.newtools import archetypes
from training.data.phrasing import is_held_out
from training.data.slots import SLOT

_NOTHING = ""
_ROUNDS = 4
# Added to each count, so that rare words don't seem sure of anything.
_SMOOTHING = 2.0
# What goes together in one tool alone may be chance.
_LEAST_KINDS = 2
_LEAST_SHARE = 0.02
_LEAST_PROBABILITY = 0.005
_LONGEST_ROW = 24
_CHOICES = re.compile(r"[\[\]|]")
_HEAD = "# Words of requests, words of tools with them, and how many times oftener than by chance."

Pair = tuple[str, str]


@dataclass(frozen=True)
class Said:
    """A request and the tool that it means.

    Attributes:
        request: Stems of the one.
        tool: Stems of the other.
        kind: Number of the kind of tool.
        outright: Whether it was written down as what goes together.
    """

    request: Sequence[str]
    tool: Sequence[str]
    kind: int
    outright: bool = False


def main() -> None:
    """Writes the product's table."""
    path = Path(related.__file__).with_name(related.TABLE)
    path.write_text(table([*_said(), *_outright()]), encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


def table(said: Sequence[Said]) -> str:
    """The table as the product reads it."""
    probabilities, kinds = _aligned(said)
    tools = Counter(word for one in said for word in one.tool)
    rows: defaultdict[str, list[tuple[float, str, int]]] = defaultdict(list)
    outright = {(asked, told) for one in said if one.outright for asked, told in _pairs(one)}
    for (asked, told), probability in probabilities.items():
        known = len(kinds[asked, told]) >= _LEAST_KINDS or (asked, told) in outright
        oftener = round(probability * tools.total() / tools[told])
        if asked and known and probability >= _LEAST_PROBABILITY and oftener:
            rows[asked].append((-probability, told, oftener))
    lines = [f"{asked}: {_line(rows[asked])}" for asked in sorted(rows)]
    return "\n".join((_HEAD, "# Made by `python -m training.related`.", *lines, ""))


def _pairs(one: Said) -> Iterable[Pair]:
    return product(one.request, one.tool)


def _line(row: list[tuple[float, str, int]]) -> str:
    likeliest = sorted(row)[:_LONGEST_ROW]
    return " ".join(
        f"{told} {oftener}" for _, told, oftener in sorted(likeliest, key=lambda e: e[1])
    )


def _aligned(said: Sequence[Said]) -> tuple[dict[Pair, float], dict[Pair, set[int]]]:
    """How likely a word of a request brings up one of a tool, and in which kinds of tools."""
    probabilities: dict[Pair, float] = {}
    kinds: defaultdict[Pair, set[int]] = defaultdict(set)
    for turn in range(_ROUNDS):
        counts: defaultdict[Pair, float] = defaultdict(float)
        totals: defaultdict[str, float] = defaultdict(float)
        for one in said:
            asked = (*one.request, _NOTHING)
            for told in one.tool:
                found = [probabilities.get((word, told), 0.0) if turn else 1.0 for word in asked]
                whole = sum(found) or 1.0
                for word, probability in zip(asked, found, strict=True):
                    share = probability / whole
                    counts[word, told] += share
                    totals[word] += share
                    if turn == _ROUNDS - 1 and share > _LEAST_SHARE:
                        kinds[word, told].add(one.kind)
        probabilities = {pair: n / (totals[pair[0]] + _SMOOTHING) for pair, n in counts.items()}
    return probabilities, kinds


def _said() -> Iterator[Said]:
    """All that the corpus lets people say of tools, but for what is held out."""
    for kind, (told, wordings) in enumerate(_tools()):
        tool = _meaning(told)
        for wording in wordings:
            request = _meaning(_CHOICES.sub(" ", SLOT.sub(" ", wording.replace("{o}", " "))))
            if request and tool and not is_held_out(wording):
                yield Said(request, tool, kind)


def _outright() -> Iterator[Said]:
    """What was written down as going together."""
    for line, block in enumerate(blocks("related/*.txt")):
        told, _, asked = block.head.partition(":")
        for phrase in asked.split(","):
            request = _meaning(phrase)
            if request:
                # Below zero, since from zero on kinds of tools are counted.
                yield Said(request, _meaning(told), ~line, outright=True)


def _tools() -> Iterator[tuple[str, Sequence[str]]]:
    """What each kind of tool, verb and object is called, and how people say it."""
    for one in archetypes("train"):
        told = (*one.names[:1], *one.descriptions[:3], *(a.name for a in one.arguments))
        yield " ".join(told), [wording.template for wording in one.wordings]
    for verb in verbs().values():
        yield " ".join((verb.key, *verb.bases[:12])), (*verb.orders, *verb.sayings, *verb.bases)
    for thing in things("train"):
        yield " ".join((thing.name, *thing.general)), thing.special


def _meaning(text: str) -> list[str]:
    """The stems that say something."""
    return [stem for stem in stems(text) if not FILLING.fullmatch(stem)]


if __name__ == "__main__":
    main()
