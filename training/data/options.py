"""What a tool takes beside what it needs: nobody has to say it, and then no plan has it either."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from training.data.corpus import Block, blocks
from training.data.phrasing import Source, Split, is_held_out_kind

_TOLD = 0.4
_FLAG = {"true": True, "false": False}
_JOINS = (" ", ", ", ", ", "; ", " - ")


@dataclass(frozen=True)
class Option:
    """An optional argument under the name of one prompt.

    Attributes:
        name: Its name.
        asked: Its values, each with the words that ask for it.
    """

    name: str
    asked: dict[str, tuple[str, ...]]

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        if set(self.asked) == set(_FLAG):
            return {"type": "boolean"}
        return {"type": "string", "enum": list(self.asked)}

    def told(self, source: Source, request: str) -> tuple[str, dict[str, Any]]:
        """The request, with or without words that ask for a value, and that value by its name."""
        if not source.chance(_TOLD):
            return request, {}
        value = source.rng.choice(list(self.asked))
        words = source.phrase(self.asked[value])
        return _joined(source, request, words), {self.name: _FLAG.get(value, value)}


def options(source: Source, arguments: Iterable[str]) -> tuple[Option, ...]:
    """One or two options, but none that a tool with these arguments has already."""
    chosen = source.rng.sample(_known(source.split), source.rng.choice((1, 1, 1, 2)))
    taken = set(arguments)
    new = [(names, asked) for names, asked in chosen if taken.isdisjoint(names)]
    return tuple(Option(source.rng.choice(names), asked) for names, asked in new)


def _joined(source: Source, request: str, words: str) -> str:
    if request.endswith((".", "?", "!")):
        return f"{request} {words[:1].upper()}{words[1:]}{source.rng.choice(('.', '.', ''))}"
    return request + source.rng.choice(_JOINS) + words


@cache
def _known(split: Split) -> Sequence[tuple[tuple[str, ...], dict[str, tuple[str, ...]]]]:
    """The names and values of a split's options: some are never trained on."""
    held_out = split == "held_out"
    return [
        (tuple(block.head.split()), dict(_value(line, block) for line in block.lines))
        for block in blocks("options.txt")
        if is_held_out_kind(block.head.split()[0]) == held_out
    ]


def _value(line: str, block: Block) -> tuple[str, tuple[str, ...]]:
    value, colon, phrases = line.partition(": ")
    if not colon or not phrases:
        raise ValueError(f"{block.source}: {block.head}: no value with words: {line}")
    return value, tuple(phrases.split(" | "))
