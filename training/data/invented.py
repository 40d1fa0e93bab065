"""Tools that no model has seen: archetypes under new names, and wholly invented ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from llmlab.workflows.chat.tool import ToolDescription
from training.data.frames import related
from training.data.lists import listed
from training.data.newtools import (
    Argument,
    archetypes,
    argument_slots,
    offer,
    typed,
    typical,
    use,
)
from training.data.phrasing import Source, command
from training.data.sample import Step
from training.data.toolbox import described
from training.data.words import NOUNS, Words

# Share of tools that are put together from verbs and objects.
_FRAMED = 0.2
_VERBS = listed("verbs")
_ARGUMENTS = {
    "name": "name",
    "id": "code",
    "title": "text",
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


class Offered(Protocol):
    """A tool that a prompt lists, which can be asked for in many ways."""

    @property
    def tool(self) -> ToolDescription:
        """How the prompt describes it."""

    def request(self, source: Source, words: Words) -> tuple[str, Step]:
        """A request for it, and the step that answers."""

    def worded(self, source: Source, words: Words) -> tuple[str, Step, bool]:
        """Words for inside a request, the step, and whether they begin with a value to be kept."""


@dataclass(frozen=True)
class Call:
    """A tool, a request that needs it, and the step that answers."""

    tool: ToolDescription
    message: str
    step: Step


@dataclass(frozen=True)
class Invented:
    """A tool whose name and description were put together from a verb and a noun."""

    tool: ToolDescription
    verb: str
    noun: str
    arguments: tuple[Argument, ...]

    def request(self, source: Source, words: Words) -> tuple[str, Step]:
        """A request that names verb, noun and arguments."""
        said, step, _ = self.worded(source, words)
        return command(source, said), step

    def worded(self, source: Source, words: Words) -> tuple[str, Step, bool]:
        """An order without any politeness around it."""
        slots = argument_slots(source, words, self.arguments)
        values = {argument.name: slots.value(argument.name) for argument in self.arguments}
        said = {"verb": self.verb, "noun": self.noun}
        for number, (name, value) in enumerate(values.items(), 1):
            said |= {f"a{number}": name, f"v{number}": value.said}
        shapes = (_NONE, _ONE, _TWO)[len(self.arguments)]
        order = source.phrase(shapes, said)
        args = {a.name: typed(a, values[a.name].written) for a in self.arguments}
        return order, use(self.tool.name, args), False


def draw(source: Source, words: Words) -> Call:
    """A tool that is new, and a request for it."""
    framed = source.chance(_FRAMED)
    (offered,) = framed_offers(source, words, 1) if framed else (draw_offer(source, words),)
    return Call(offered.tool, *offered.request(source, words))


def draw_offer(source: Source, words: Words) -> Offered:
    """A tool of the corpus under some name, or an invented one."""
    if source.chance(0.12):
        return _invented(source, words)
    among = typical(source.split) if source.chance(0.6) else archetypes(source.split)
    return offer(source, words, source.rng.choice(among))


def framed_offers(source: Source, words: Words, count: int) -> list[Offered]:
    """At most so many tools that share what is done, or to what."""
    return [offer(source, words, archetype) for archetype in related(source, count)]


def _invented(source: Source, words: Words) -> Invented:
    rng = source.rng
    verb, noun = rng.choice(_VERBS), rng.choice((rng.choice(NOUNS), words.word()))
    names = rng.sample(sorted(_ARGUMENTS), rng.choice((0, 1, 1, 1, 2, 2)))
    arguments = tuple(Argument(name, _ARGUMENTS[name], (), True) for name in names)
    name = rng.choice(
        (f"{verb}_{noun}", f"{noun}_{verb}", f"{verb}{noun.capitalize()}", noun, words.made_up())
    )
    slots = {"verb": verb, "Verb": verb.capitalize(), "Does": _does(verb), "noun": noun}
    telling = source.choose(rng.choice(_TELLING))
    for slot, word in slots.items():
        telling = telling.replace(f"{{{slot}}}", word)
    types = {argument.name: str(argument.schema["type"]) for argument in arguments}
    return Invented(described(name, telling, types), verb, noun, arguments)


def _does(verb: str) -> str:
    ending = "es" if verb.endswith(("s", "sh", "ch", "x")) else "s"
    return f"{verb}{ending}".capitalize()
