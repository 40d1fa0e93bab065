"""Tools put together from what is done and to what, described in other words than asked for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

from training.data.corpus import Block, blocks
from training.data.newtools import Archetype, Argument, Wording
from training.data.phrasing import COMMANDING, Source, Split, is_held_out_kind
from training.data.switches import opposite, switch

# Of one object, what these say of it can hardly be told apart, so that a prompt has one of them.
_ALIKE = (
    {"show", "list", "find", "locate", "check", "track", "open", "test", "explain", "summarize"},
    {"count", "measure", "estimate", "check", "test", "track", "predict"},
    {"create", "add", "log", "register", "write", "draw", "publish", "schedule", "upload"},
    {"delete", "cancel", "archive", "hide", "dismiss", "close", "stop", "unsubscribe", "reject"},
    {"buy", "order", "book", "rent", "hire", "subscribe", "register", "check_in", "pay", "create"},
    {"send", "message", "share", "publish", "deliver", "invite", "report", "call", "assign"},
    {"repair", "restore", "reset", "restart", "update", "clean"},
    {"update", "edit", "set", "rename", "move", "transfer", "sync"},
    {"start", "resume", "open", "turn_on", "play", "restart", "unlock"},
    {"stop", "pause", "close", "turn_off", "lock", "mute", "block"},
    {"confirm", "approve", "allow", "sign", "vote"},
    {"copy", "backup", "download", "scan", "record", "print", "archive"},
    {"rate", "review", "report", "recommend", "vote"},
    {"pay", "transfer", "donate", "bill", "refund"},
    {"return", "refund", "deliver", "pick_up"},
)
# What gives something that can be handed on.
TELLING_VERBS = frozenset(
    (
        *("show", "list", "find", "count", "check", "compare", "measure", "track", "locate"),
        *("estimate", "predict", "summarize", "translate", "convert", "explain", "recommend"),
        *("draw", "write", "scan", "test", "download", "record", "copy"),
    )
)
_TELLING = (
    "{Does} {object}.",
    "{Does} {object}",
    "{Verb} {object}.",
    "Use this to {verb} {object}.",
    "Lets people {verb} {object}.",
    "Tool to {verb} {object}.",
    "Can {verb} {object}.",
)
_COUNT_OF_WORDINGS = 8
# Share of tools for two opposite things, where a verb has an opposite.
_SWITCHES = 0.7
_IRREGULAR = {"have": "has", "do": "does", "be": "is", "go": "goes"}

# Arguments that a tool may take, each with the phrases that tell its value (`{v}`).
Details = Sequence[tuple[Argument, tuple[str, ...]]]


@dataclass(frozen=True)
class Verb:
    """What is done.

    Attributes:
        key: Its name.
        bases: Verbs that stand right before what they are done to.
        orders: Imperatives, with `{o}` for what it is done to.
        sayings: Whole requests, likewise.
    """

    key: str
    bases: tuple[str, ...]
    orders: tuple[str, ...]
    sayings: tuple[str, ...]


@dataclass(frozen=True)
class Thing:
    """To what it is done.

    Attributes:
        name: Its name.
        verbs: Keys of what people do to it.
        general: What a developer calls it, with an article.
        special: What people call it.
        details: Arguments that a tool may take.
    """

    name: str
    verbs: tuple[str, ...]
    general: tuple[str, ...]
    special: tuple[str, ...]
    details: Details


def related(source: Source, count: int, keys: frozenset[str] = frozenset()) -> list[Archetype]:
    """At most so many kinds of tools, many of which share what is done, or to what.

    Args:
        source: Of every choice.
        count: How many.
        keys: Verbs to choose from; none for all.
    """
    everything = _limited(source.split, keys) if keys else things(source.split)
    thing = source.rng.choice(everything)
    chosen = [(source.rng.choice(thing.verbs), thing)]
    while len(chosen) < count:
        key, thing = source.rng.choice(chosen)
        draw = source.rng.random()
        if draw < 0.4:
            key = source.rng.choice(thing.verbs)
        else:
            shared = [one for one in everything if key in one.verbs] if draw < 0.7 else everything
            thing = source.rng.choice(shared)
            key = key if draw < 0.7 else source.rng.choice(thing.verbs)
        if any(_alike(key, thing, *other) for other in chosen):
            # A list without it is as good.
            count -= 1
            continue
        chosen.append((key, thing))
    return [_built(source, key, thing, chosen) for key, thing in chosen]


@cache
def _limited(split: Split, keys: frozenset[str]) -> Sequence[Thing]:
    """Objects to which one of these is done, without their other verbs."""
    done = ((thing, tuple(key for key in thing.verbs if key in keys)) for thing in things(split))
    return [replace(thing, verbs=left) for thing, left in done if left]


def archetype(source: Source, verb: Verb, thing: Thing, details: Details = ()) -> Archetype:
    """A kind of tool, with some of its names, descriptions and wordings."""
    return Archetype(
        tuple(_names(source, verb, thing)),
        tuple(_description(source, verb, thing) for _ in range(3)),
        tuple(argument for argument, _ in details),
        tuple(Wording(_wording(source, verb, thing, details)) for _ in range(_COUNT_OF_WORDINGS)),
    )


def _built(
    source: Source, key: str, thing: Thing, others: Sequence[tuple[str, Thing]]
) -> Archetype:
    """A kind of tool that does one thing, or it and its opposite if no other of them does that."""
    count = source.rng.choice((0, 1, 1, 1, 2, 2))
    details = source.rng.sample(thing.details, min(count, len(thing.details)))

    def make(one: str) -> Archetype:
        return archetype(source, verbs()[one], thing, details)

    back = opposite(key, thing.verbs)
    known = [one for one, other in others if other.name == thing.name]
    if not back or len(known) > 1 or source.chance(1 - _SWITCHES):
        return make(key)
    return switch(source, key, thing.name, source.rng.choice(thing.general), make)


def _alike(key: str, thing: Thing, other: str, another: Thing) -> bool:
    if thing.name != another.name:
        return False
    return key == other or any({key, other} <= group for group in _ALIKE)


def _names(source: Source, verb: Verb, thing: Thing) -> list[str]:
    done = source.rng.choice((verb.key, verb.key, verb.bases[0].replace(" ", "_")))
    both = f"{done}_{thing.name}"
    first, *rest = both.split("_")
    camel = first + "".join(word.capitalize() for word in rest)
    return [both, both, camel, f"{thing.name}_{done}", f"{thing.name}.{done}"]


def _description(source: Source, verb: Verb, thing: Thing) -> str:
    base, telling = source.rng.choice(verb.bases), source.rng.choice(_TELLING)
    said = {"verb": base, "Verb": _capital(base), "Does": _capital(_conjugated(base))}
    return telling.format(object=source.rng.choice(thing.general), **said)


def _wording(source: Source, verb: Verb, thing: Thing, details: Details) -> str:
    """A request for it, in which each detail is a slot, before it or behind."""
    kinds = (tuple(f"{base} {{o}}" for base in verb.bases), verb.orders, verb.sayings)
    (told,) = source.rng.choices(kinds, (1, 2, 3))
    names = thing.special if source.chance(0.8) else thing.general
    wording = source.phrase_whole(told).replace("{o}", source.phrase_whole(names))
    wording, mark = (wording[:-1], wording[-1]) if wording[-1] in ".?!" else (wording, "")
    before = ""
    for argument, phrases in details:
        phrase = source.phrase_whole(phrases).replace("{v}", f"{{{argument.name}}}")
        if source.chance(0.2):
            before += f"{phrase}, "
        else:
            wording += source.rng.choice((" ", " ", ", ")) + phrase
    if told is not verb.sayings:
        wording = source.phrase_whole(COMMANDING).replace("{x}", wording)
    return before + wording + mark


def _conjugated(base: str) -> str:
    """The third person: "calls off" for "call off"."""
    first, space, rest = base.partition(" ")
    if first in _IRREGULAR:
        return _IRREGULAR[first] + space + rest
    if re.search(r"(?:s|sh|ch|x|z|o)$", first):
        return f"{first}es{space}{rest}"
    if re.search(r"[^aeiou]y$", first):
        return f"{first[:-1]}ies{space}{rest}"
    return f"{first}s{space}{rest}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def verbs() -> dict[str, Verb]:
    """All verbs; blocks of the same key are one verb.

    Raises:
        ValueError: A block is not of the form that the corpus has.
    """
    lines: dict[str, list[str]] = defaultdict(list)
    for block in blocks("frames/verbs*.txt"):
        lines[block.head] += block.lines
    return {key: _verb(key, found) for key, found in lines.items()}


def _verb(key: str, lines: Sequence[str]) -> Verb:
    parts: dict[str, list[str]] = {"to": [], "do": [], "say": []}
    for line in lines:
        kind, colon, phrases = line.partition(": ")
        if not colon or kind not in parts:
            raise ValueError(f"frames: {key}: neither to, do nor say: {line}")
        parts[kind] += phrases.split(" | ")
    if not all(parts.values()):
        raise ValueError(f"frames: {key}: it needs to, do and say")
    if any("{o}" not in said for said in chain(parts["do"], parts["say"])):
        raise ValueError(f"frames: {key}: a phrase without {{o}}")
    return Verb(key, tuple(parts["to"]), tuple(parts["do"]), tuple(parts["say"]))


@cache
def things(split: Split) -> Sequence[Thing]:
    """The objects of a split: some are never trained on.

    Raises:
        ValueError: A block is not of the form that the corpus has.
    """
    everything = (_thing(block) for block in blocks("frames/objects*.txt"))
    held_out = split == "held_out"
    return [thing for thing in everything if is_held_out_kind(thing.name) == held_out]


def _thing(block: Block) -> Thing:
    name, _, keys = block.head.partition(": ")
    general: list[str] = []
    special: list[str] = []
    details: list[tuple[Argument, tuple[str, ...]]] = []
    for line in block.lines:
        if line.startswith("is: "):
            general += line[4:].split(" | ")
        elif line.startswith("eg: "):
            special += line[4:].split(" | ")
        elif line.startswith("@ "):
            details.append(_detail(line[2:], block))
        else:
            raise ValueError(f"{block.source}: {name}: neither is, eg nor @: {line}")
    done = tuple(keys.split())
    if not done or not set(done) <= set(verbs()):
        raise ValueError(f"{block.source}: {name}: no verbs, or unknown ones: {keys}")
    if not general or not special:
        raise ValueError(f"{block.source}: {name}: it needs is and eg")
    return Thing(name, done, tuple(general), tuple(special), tuple(details))


def _detail(line: str, block: Block) -> tuple[Argument, tuple[str, ...]]:
    name, kind, phrases = (part.strip() for part in line.split(":", 2))
    told = tuple(phrases.split(" | "))
    if any("{v}" not in phrase for phrase in told):
        raise ValueError(f"{block.source}: {block.head}: a phrase without {{v}}: {line}")
    return Argument(name, kind, (), required=True), told
