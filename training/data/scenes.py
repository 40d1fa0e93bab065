"""Sums told as tales: how much there was, what happened to it, and what is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from training.data.corpus import Block, blocks
from training.data.phrasing import Source, Split, is_held_out_kind
from training.data.slots import SLOT

_OPERATORS = "+-*/"
_LINKS = (". ", ". ", ". ", ", ", ", ", "; ", " and ", ", and ", ", then ", ". Then ", ". Later ")
_NUMBER = re.compile(r"\{([a-z])\}")


@dataclass(frozen=True)
class Event:
    """What changes a quantity, or how it begins.

    Attributes:
        operator: One of `+-*/`; empty for a beginning.
        operand: An expression over slots.
        clauses: Ways of telling it.
    """

    operator: str
    operand: str
    clauses: tuple[str, ...]


@dataclass
class Scene:
    """A quantity, what may happen to it, and what may be asked.

    Attributes:
        name: Its name.
        kinds: Ranges and kinds of its number slots.
        starts: How it begins.
        events: What changes it, any number of times.
        remarks: What changes nothing.
        asked: Questions: "" for what there is now, "-" for all that went, "+" for all that came.
        further: Last changes, each with its own questions.
    """

    name: str
    kinds: dict[str, str]
    starts: list[Event] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    asked: dict[str, list[str]] = field(default_factory=dict)
    further: list[tuple[Event, list[str]]] = field(default_factory=list)


@dataclass(frozen=True)
class Tale:
    """A request as templates, and what answers it.

    Attributes:
        told: The request, with slots.
        expressions: One for each step; `{{1}}` is what the first gives.
        kinds: Kinds of its number slots.
    """

    told: str
    expressions: tuple[str, ...]
    kinds: dict[str, str]


class _Telling:
    """One tale in the making."""

    def __init__(self, source: Source, scene: Scene) -> None:
        self.source = source
        self.scene = scene
        self.clauses: list[str] = []
        self._count = 0

    def tell(self, event: Event) -> str:
        """Adds a clause; returns the event's operand, with the slots that the clause has."""
        self._count += 1
        # Each event has numbers of its own.
        fresh = rf"{{\1.{self._count}}}"
        clause = self.source.phrase_whole(event.clauses)
        self.clauses.append(_NUMBER.sub(fresh, clause))
        return _NUMBER.sub(fresh, event.operand)

    def remark(self) -> None:
        """Says what changes nothing, now and then."""
        if self.scene.remarks and self.source.chance(0.2):
            at = self.source.rng.randint(1, len(self.clauses))
            self.clauses.insert(at, self.source.phrase_whole(self.scene.remarks))

    def text(self, asked: Sequence[str]) -> str:
        """All clauses and the question, as one request."""
        rng = self.source.rng
        told = self.clauses[0]
        for clause in self.clauses[1:]:
            told = _linked(told, rng.choice(_LINKS), clause)
        question = self.source.phrase_whole(asked)
        if " now" not in question:
            question = rng.choice(("", "", "", "so ", "now ")) + question
        question += rng.choice(("?", "?", "?", ""))
        if question.endswith("?") and self.source.chance(0.12):
            return _linked(question, " ", told)
        return _linked(told, rng.choice((". ", ". ", ". ", ", ", "; ", " - ")), question)


def single(source: Source) -> Tale:
    """A tale that one expression answers."""
    scene = source.rng.choice(scenes(source.split))
    telling = _Telling(source, scene)
    asked = scene.asked.get("", [])
    goes_on = bool(scene.further) and (not asked or source.chance(0.3))
    value, changes = _begun(telling, 0 if goes_on else 1)
    signs = {sign for sign, _ in changes}
    if goes_on:
        last, asked = source.rng.choice(scene.further)
        value = _after(value, last.operator, telling.tell(last))
    elif len(changes) > 1 and len(signs) == 1 and signs <= set(scene.asked) and source.chance(0.5):
        (sign,) = signs
        value, asked = " + ".join(operand for _, operand in changes), scene.asked[sign]
    telling.remark()
    return Tale(telling.text(asked), (value,), scene.kinds)


def chain(source: Source) -> Tale:
    """A tale with two questions, of which the second builds on the first."""
    goes_on = [scene for scene in scenes(source.split) if scene.further and scene.asked.get("")]
    scene = source.rng.choice(goes_on)
    telling = _Telling(source, scene)
    value, _ = _begun(telling, 1)
    telling.remark()
    last, asked = source.rng.choice(scene.further)
    if last.operator in "*/" and source.chance(0.4):
        # Both questions behind all that is told; a sum that is told already would be in the first.
        second = _after("{{1}}", last.operator, telling.tell(last))
        told = telling.text(scene.asked[""]).rstrip("?")
        joint = source.rng.choice((", and ", " and ", "? And ", "? ", ", then "))
        told = _linked(told, joint, source.phrase_whole(asked)) + "?"
        return Tale(told, (value, second), scene.kinds)
    first = telling.text(scene.asked[""])
    telling.clauses.clear()
    second = _after("{{1}}", last.operator, telling.tell(last))
    joint = " " if first.endswith("?") else ". "
    told = _linked(first, joint, telling.text(asked))
    return Tale(told, (value, second), scene.kinds)


def _begun(telling: _Telling, least: int) -> tuple[str, list[tuple[str, str]]]:
    """Tells a beginning and some events; what there is then, and the changes."""
    source, scene = telling.source, telling.scene
    start = source.rng.choice(scene.starts)
    value = telling.tell(start)
    changes: list[tuple[str, str]] = []
    # What begins as a product is a sum by itself.
    least = min(least, 0 if " " in start.operand else 1)
    count = source.rng.choice((1, 1, 2, 2, 3)) if source.chance(0.85) else least
    for _ in range(count if scene.events else 0):
        event = source.rng.choice(scene.events)
        operand = telling.tell(event)
        value = _after(value, event.operator, operand)
        changes.append((event.operator, operand))
    return value, changes


def _after(value: str, operator: str, operand: str) -> str:
    """The expression of a value that was changed."""
    if operator in "*/" and re.search(r" [-+] ", re.sub(r"\([^()]*\)", "", value)):
        value = f"({value})"
    bare = re.sub(r"\([^()]*\)", "", operand)
    loose = operator == "-" and re.search(r" [-+] ", bare)
    loose = loose or (operator == "/" and re.search(r" [-+*/] ", bare))
    return f"{value} {operator} {f'({operand})' if loose else operand}"


def _linked(before: str, link: str, after: str) -> str:
    """Two parts as one text; behind a full stop or a question mark comes a capital, mostly."""
    ends = link.startswith((". ", "? ")) or before.endswith("?")
    if ends and link[-1] == " " and link.strip() in (".", "?", ""):
        after = after[:1].upper() + after[1:]
    return before + link + after


@cache
def scenes(split: Split) -> Sequence[Scene]:
    """The scenes of a split: some are never trained on.

    Raises:
        ValueError: A block is not of the form that the corpus has.
    """
    held_out = split == "held_out"
    everything = [read(block) for block in blocks("scenes/*.txt")]
    return [scene for scene in everything if is_held_out_kind(scene.name) == held_out]


def read(block: Block) -> Scene:
    """A scene from its block.

    Raises:
        ValueError: The block is not of the form that the corpus has.
    """
    name, _, kinds = block.head.partition(" ; ")
    scene = Scene(name, dict(pair.split("=") for pair in kinds.split()))
    for line in block.lines:
        _read_line(scene, line)
    if not scene.starts or not (scene.asked.get("") or scene.further):
        raise ValueError(f"{block.source}: {name}: no beginning, or no question")
    everything = [*scene.starts, *scene.events, *(event for event, _ in scene.further)]
    for event in everything:
        wanted = set(SLOT.findall(event.operand))
        for clause in event.clauses:
            numbers = set(_NUMBER.findall(clause))
            if numbers != wanted or not numbers <= set(scene.kinds):
                raise ValueError(f"{block.source}: {name}: not the numbers {wanted}: {clause}")
    if any(not questions for _, questions in scene.further):
        raise ValueError(f"{block.source}: {name}: a `then` without a question")
    return scene


def _read_line(scene: Scene, line: str) -> None:
    kind, _, rest = line.partition(" ")
    if kind == "so":
        scene.remarks += rest.split(" | ")
    elif kind == "?" and scene.further:
        scene.further[-1][1].extend(rest.split(" | "))
    elif kind in ("?", "?-", "?+"):
        scene.asked.setdefault(kind[1:], []).extend(rest.split(" | "))
    elif kind == "is":
        scene.starts.append(_event("", rest))
    elif kind == "then":
        operator, _, told = rest.partition(" ")
        scene.further.append((_event(operator, told), []))
    elif kind in _OPERATORS:
        scene.events.append(_event(kind, rest))
    else:
        raise ValueError(f"{scene.name}: no line of a scene: {line}")


def _event(operator: str, line: str) -> Event:
    operand, colon, clauses = line.partition(": ")
    if not colon or (operator and operator not in _OPERATORS):
        raise ValueError(f"no event: {line}")
    return Event(operator, operand, tuple(clauses.split(" | ")))
