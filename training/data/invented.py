"""Tools that no model has seen: archetypes under new names, and wholly invented ones."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llmlab.workflows.chat.prompting import ToolDescription
from training.data.archetypes import ARCHETYPES, Archetype
from training.data.lists import listed
from training.data.phrasing import Source, command, polish
from training.data.sample import Step
from training.data.toolbox import described
from training.data.words import NOUNS, Words

_VERBS = listed("verbs")
_ARGUMENTS = {
    "name": "name",
    "id": "code",
    "title": "topic",
    "path": "path",
    "file": "path",
    "user": "name",
    "owner": "name",
    "city": "place",
    "place": "place",
    "url": "url",
    "email": "email",
    "count": "integer",
    "amount": "number",
    "size": "integer",
    "limit": "integer",
    "level": "integer",
    "price": "number",
    "color": "color",
    "label": "word",
    "key": "word",
    "kind": "word",
    "target": "word",
    "reason": "text",
    "message": "text",
    "text": "text",
    "day": "weekday",
    "language": "language",
    "code": "code",
}
_ONE = (
    "{verb} the {noun} {v1}",
    "{verb} {noun} {v1}",
    "{verb} the {noun} with {a1} {v1}",
    "{verb} the {noun} with the {a1} {v1}",
    "{verb} a {noun}, {a1} {v1}",
    "{verb} the {noun}: {v1}",
    "{verb} the {noun} ({a1}: {v1})",
    "{verb} the {noun}, {a1} is {v1}",
    "{verb} the {noun} whose {a1} is {v1}",
    "{verb} a {noun} with {a1} = {v1}",
    "{verb} the {noun} for {v1}",
    "with {a1} {v1}, {verb} the {noun}",
    "use {a1} {v1} and {verb} the {noun}",
)
_TWO = (
    "{verb} the {noun} {v1} with {a2} {v2}",
    "{verb} the {noun} with {a1} {v1} and {a2} {v2}",
    "{verb} the {noun}, {a1} {v1}, {a2} {v2}",
    "{verb} a {noun}: {a1} {v1}, {a2} {v2}",
    "{verb} the {noun} ({a1}: {v1}, {a2}: {v2})",
    "{verb} the {noun} {v1}; the {a2} is {v2}",
    "{verb} a {noun} with {a1} = {v1} and {a2} = {v2}",
    "{verb} the {noun} where {a1} is {v1} and {a2} is {v2}",
    "with {a1} {v1} and {a2} {v2}, {verb} the {noun}",
)
_NONE = ("{verb} the {noun}", "{verb} a {noun}", "{verb} our {noun}", "{verb} the {noun} now")
_TELLING = (
    "{Does} the {noun}.",
    "{Does} a {noun}.",
    "Use this to {verb} a {noun}.",
    "Can {verb} any {noun}.",
    "Tool to {verb} the {noun}.",
    "{Verb} a {noun}.",
)
_LANGUAGES = listed("languages")
_CURRENCIES = listed("currencies")
_COLORS = listed("colors")
_DAYS = listed("days")
_COMMANDS = ("ls -la", "git status", "df -h", "uptime", "make test", "docker ps", "whoami")
_EXTENSIONS = listed("extensions")


@dataclass(frozen=True)
class Call:
    """A tool, a request that needs it, and the step that answers."""

    tool: ToolDescription
    message: str
    step: Step


def draw(source: Source, words: Words) -> Call:
    """A call of an archetype or of an invented tool."""
    return _archetype(source, words) if source.chance(0.45) else _invented(source, words)


def draw_value(source: Source, words: Words, kind: str) -> str | int | float:
    """A value of a kind of argument."""
    rng = source.rng
    makers: dict[str, Callable[[], str | int | float]] = {
        "place": words.place,
        "name": words.name,
        "topic": words.topic,
        "word": words.word,
        "email": words.email,
        "url": words.url,
        "text": lambda: _text(source, words),
        "path": lambda: _path(source, words),
        "code": lambda: _code(source, words),
        "host": lambda: rng.choice((f"{words.word()}.local", f"{words.word()}{rng.randint(1, 9)}")),
        "integer": lambda: rng.randint(1, 10 ** rng.randint(1, 4)),
        "number": lambda: rng.choice((rng.randint(1, 9999), rng.randint(10, 99999) / 100)),
        "language": lambda: rng.choice(_LANGUAGES),
        "currency": lambda: rng.choice(_CURRENCIES),
        "color": lambda: rng.choice(_COLORS),
        "weekday": lambda: rng.choice(_DAYS),
        "on_off": lambda: rng.choice(("on", "off")),
        "command": lambda: rng.choice((*_COMMANDS, f"{words.word()} --{words.word()}")),
    }
    return makers[kind]()


def _archetype(source: Source, words: Words) -> Call:
    kind = source.rng.choice(_archetypes(source))
    values = {name: draw_value(source, words, held) for name, held in kind.arguments.items()}
    # Names and argument names change, so that the prompt has to be read.
    name = source.rng.choice(kind.names.split()) if source.chance(0.7) else words.made_up()
    renamed = {old: _renamed(source, words, old) for old in values}
    types = {renamed[old]: _json_type(kind.arguments[old]) for old in values}
    tool = described(name, source.rng.choice(kind.descriptions), types)
    said = {name: str(value) for name, value in values.items()}
    message = source.phrase(kind.phrasings, said)
    # A request that begins with a value keeps the value's case.
    if not message.startswith(tuple(said.values()) or ("\0",)):
        message = polish(source, message)
    return Call(tool, message, _use(name, {renamed[old]: values[old] for old in values}))


def _archetypes(source: Source) -> list[Archetype]:
    # A fifth of all archetypes is never trained on, to measure tools that are truly new.
    held_out = [kind for kind in ARCHETYPES if zlib.crc32(kind.names.encode()) % 5 == 0]
    if source.split == "held_out":
        return held_out
    return [kind for kind in ARCHETYPES if kind not in held_out]


def _renamed(source: Source, words: Words, argument: str) -> str:
    if source.chance(0.8):
        return argument
    return source.rng.choice((f"{argument}_name", f"the_{argument}", words.word(), argument[0]))


def _invented(source: Source, words: Words) -> Call:
    rng = source.rng
    verb, noun = rng.choice(_VERBS), rng.choice((rng.choice(NOUNS), words.word()))
    count = rng.choice((0, 1, 1, 1, 2, 2))
    arguments = rng.sample(sorted(_ARGUMENTS), count)
    values = {name: draw_value(source, words, _ARGUMENTS[name]) for name in arguments}
    name = rng.choice(
        (f"{verb}_{noun}", f"{noun}_{verb}", f"{verb}{noun.capitalize()}", noun, words.made_up())
    )
    slots = {"verb": verb, "Verb": verb.capitalize(), "Does": _does(verb), "noun": noun}
    telling = source.choose(rng.choice(_TELLING))
    for slot, word in slots.items():
        telling = telling.replace(f"{{{slot}}}", word)
    for number, (argument, value) in enumerate(values.items(), 1):
        slots |= {f"a{number}": argument, f"v{number}": str(value)}
    message = command(source, source.phrase((_NONE, _ONE, _TWO)[count], slots))
    types = {argument: _json_type(_ARGUMENTS[argument]) for argument in arguments}
    return Call(described(name, telling, types), message, _use(name, values))


def _does(verb: str) -> str:
    ending = "es" if verb.endswith(("s", "sh", "ch", "x")) else "s"
    return f"{verb}{ending}".capitalize()


def _use(name: str, args: dict[str, Any]) -> Step:
    return Step(name, args, f"Use {name}.")


def _json_type(kind: str) -> str:
    return kind if kind in ("integer", "number") else "string"


def _text(source: Source, words: Words) -> str:
    shapes = (
        words.topic,
        lambda: (
            f"{words.name()} {source.rng.choice(('needs', 'likes', 'has', 'sold'))} {words.topic()}"
        ),
        lambda: f"the {words.word()} is {source.rng.choice(('late', 'broken', 'ready', 'done'))}",
        lambda: f"{words.word()} at {source.rng.randint(1, 12)}",
        lambda: f"{words.word()} {words.word()} {words.word()}",
        lambda: words.word().capitalize() + " " + words.word(),
    )
    return source.rng.choice(shapes)()


def _path(source: Source, words: Words) -> str:
    file = f"{words.word()}.{source.rng.choice(_EXTENSIONS)}"
    folder = source.rng.choice(("", "", f"{words.word()}/", f"/{words.word()}/", "~/", "/etc/"))
    return folder + file


def _code(source: Source, words: Words) -> str:
    rng = source.rng
    letters = "".join(rng.choice("ABCDEFGHKLMNPRSTUVWXYZ") for _ in range(rng.randint(2, 4)))
    digits = str(rng.randint(1, 99999))
    return rng.choice((letters, f"{letters}-{digits}", letters + digits, digits, words.word()))
