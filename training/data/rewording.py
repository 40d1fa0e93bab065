"""Says wordings of the corpus in other words: equal phrases, asides, the question first."""

from __future__ import annotations

import re
from functools import cache

from training.data.corpus import blocks
from training.data.phrasing import Source

# Between two words, or behind the last one: where an aside may stand.
_COMMA = re.compile(r"(?<=[a-z]), (?=[a-z])")
_STOP = re.compile(r"(?<=[a-z])(?=[.?!](?:\s|$))")
_SENTENCES = re.compile(r"(?<=[a-z}][.!?]) +")


def reworded(source: Source, template: str, *, sums: bool = False) -> str:
    """A template (its slots stay as they are), often in words that the corpus doesn't have.

    Args:
        source: Of every choice.
        template: A wording whose alternatives are chosen.
        sums: Whether it asks for a sum, in which it doesn't matter what is counted.
    """
    if sums and source.chance(0.06):
        template = _question_first(template)
    if source.chance(0.4):
        template = _swapped(source, template, sums=sums)
    if sums and source.chance(0.1):
        template = _with_aside(source, template)
    return template


def _swapped(source: Source, template: str, *, sums: bool) -> str:
    """Some phrases in the place of their equals; the same phrase has the same one throughout."""
    equals = _equals(sums)
    chosen: dict[str, str] = {}
    taken: set[str] = set()

    def other(match: re.Match[str]) -> str:
        said = match[0]
        key = said if said in equals else said[0].lower() + said[1:]
        if key not in chosen:
            # What the wording has already, or will have, would no longer be told apart.
            free = [one for one in equals[key] if one not in template and one not in taken]
            chosen[key] = source.rng.choice(free) if free and source.chance(0.6) else key
            taken.add(chosen[key])
        word = chosen[key]
        return word if key == said else word[0].upper() + word[1:]

    return _pattern(sums).sub(other, template)


def _with_aside(source: Source, template: str) -> str:
    places = [*_COMMA.finditer(template), *_STOP.finditer(template)]
    if not places:
        return template
    aside, place = source.rng.choice(_asides()), source.rng.choice(places)
    inside = f", {aside}, " if place[0] else source.rng.choice((f", {aside}", f" {aside}"))
    return template[: place.start()] + inside + template[place.end() :]


def _question_first(template: str) -> str:
    """The sentence that asks before those that tell, where there is one at the end."""
    *told, asked = _SENTENCES.split(template)
    if not told or not asked.endswith("?") or any(part.endswith("?") for part in told):
        return template
    return " ".join((asked, *told))


@cache
def _asides() -> tuple[str, ...]:
    (block,) = blocks("words/asides.txt")
    return block.lines


@cache
def _equals(sums: bool) -> dict[str, tuple[str, ...]]:
    """What may stand for each phrase."""
    sets = {block.head: block.lines for block in blocks("words/equals.txt")}
    lines = (*sets["anywhere"], *sets["sums"]) if sums else sets["anywhere"]
    equals: dict[str, tuple[str, ...]] = {}
    for line in lines:
        phrases = tuple(line.split(" | "))
        equals |= dict.fromkeys(phrases, phrases)
    return equals


@cache
def _pattern(sums: bool) -> re.Pattern[str]:
    phrases = sorted(_equals(sums), key=len, reverse=True)
    found = "|".join(re.escape(phrase) for phrase in phrases)
    capital = "|".join(re.escape(phrase[0].upper() + phrase[1:]) for phrase in phrases)
    # Neither inside `{slots}` nor inside longer words, addresses and quotes.
    return re.compile(rf"(?<![\w{{./'\"-])(?:{found}|{capital})(?![\w}}/'\"-])(?!\.\w)")
