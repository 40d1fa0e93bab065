"""Tools that a prompt alone describes: those of the corpus, under changing names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from llmlab.workflows.chat.tool import ToolDescription
from training.data.corpus import Block, blocks
from training.data.numbers import Number
from training.data.options import Option, options
from training.data.phrasing import Source, Split, is_held_out_kind, polish
from training.data.rewording import reworded
from training.data.rough import roughened
from training.data.sample import Step
from training.data.slots import SLOT, Slots
from training.data.words import Words

_NUMERIC = {"integer", "int", "n", "m", "k", "year", "big"}
_DECIMAL = {"number", "any", "price", "money", "p", "r", "a", "b", "dec", "decimal"}
_WITH_OPTIONS = 0.2
# Kinds of values before which people say what they are, and names of arguments that list some.
_LABELLED = {"code", "path", "file", "host", "word", "integer", "name", "person"}
_LABELLED_LISTS = frozenset(
    (
        *("service", "machine", "server", "repo", "repository", "branch", "project", "channel"),
        *("database", "table", "queue", "cluster", "container", "job", "node", "flag", "package"),
        *("dataset", "model", "workspace", "playlist", "album", "list", "folder", "device"),
        *("deployment", "pipeline", "host", "app", "bucket", "topic", "key", "sku", "product"),
        *("camera",),
    )
)


@dataclass(frozen=True)
class Argument:
    """An argument of a tool.

    Attributes:
        name: Its name.
        kind: Kind of slot that draws it, or `enum`, `of`, `flag`.
        choices: Values of `enum` and `of`.
        required: Whether a call must have it.
    """

    name: str
    kind: str
    choices: tuple[str, ...]
    required: bool

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        if self.kind == "enum":
            return {"type": "string", "enum": list(self.choices)}
        if self.kind == "flag":
            return {"type": "boolean"}
        if self.kind in _NUMERIC or ".." in self.kind:
            return {"type": "integer"}
        return {"type": "number" if self.kind in _DECIMAL else "string"}


@dataclass(frozen=True)
class Wording:
    """A request; `constants` are arguments that it means without saying their value."""

    template: str
    constants: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Archetype:
    """A kind of tool: what it may be called, how described, and how it is asked for."""

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    arguments: tuple[Argument, ...]
    wordings: tuple[Wording, ...]

    def argument(self, name: str) -> Argument:
        """The argument of that name.

        Raises:
            KeyError: There is none.
        """
        found = next((a for a in self.arguments if a.name == name), None)
        if found is None:
            raise KeyError(f"{self.names[0]} has no argument {name}")
        return found


@dataclass(frozen=True)
class Offer:
    """A tool as one prompt lists it.

    Attributes:
        archetype: Whose wordings ask for it.
        tool: Its description, under the name of this prompt.
        renamed: Names of the arguments in this prompt.
        options: What it takes beside them.
    """

    archetype: Archetype
    tool: ToolDescription
    renamed: dict[str, str]
    options: tuple[Option, ...] = ()

    def request(self, source: Source, words: Words) -> tuple[str, Step]:
        """A request for it, and the step that answers."""
        said, step, begins_with_value = self.worded(source, words)
        return said if begins_with_value else polish(source, said), step

    def worded(self, source: Source, words: Words) -> tuple[str, Step, bool]:
        """Words that ask for it, fit to stand inside a request, and the step that answers.

        Returns:
            The words, the step, and whether they begin with a value, which has to keep its case.
        """
        wordings = {wording.template: wording for wording in self.archetype.wordings}
        template = source.phrase_whole(list(wordings))
        slots = argument_slots(source, words, self.archetype.arguments)
        # A value that is not copied is told by the very words.
        shown = source.choose(template)
        if not wordings[template].constants:
            shown = reworded(source, shown)
        said = slots.said(self._labelled(source, roughened(source, shown)))
        args = self._args(template, wordings[template].constants, slots)
        for option in self.options:
            said, told = option.told(source, said)
            args |= told
        return said, use(self.tool.name, args), template.startswith(("{", '"', "'"))

    def _labelled(self, source: Source, template: str) -> str:
        """Now and then says what a value is ("order 4711"), which is no part of the value."""
        known = {a.name for a in self.archetype.arguments if _can_be_labelled(a)}
        found = [match for match in SLOT.finditer(template) if match[1] in known]
        if not found or not source.chance(0.16):
            return template
        match = source.rng.choice(found)
        label = _label(source, self.renamed[match[1]])
        before, behind = template[: match.start()], template[match.start() :]
        said_before = before.endswith(("'", '"', "#", "@", "/")) or before.rstrip().endswith(label)
        if said_before or template[match.end() :].lstrip().startswith(label):
            return template
        return f"{before}{label} {behind}"

    def args(self, values: dict[str, str]) -> dict[str, Any]:
        """Arguments from what a plan writes, under the names and types of this prompt."""
        ordered = [a for a in self.archetype.arguments if a.name in values]
        return {self.renamed[a.name]: typed(a, values[a.name]) for a in ordered}

    def _args(self, template: str, constants: dict[str, str], slots: Slots) -> dict[str, Any]:
        named = {match[1] for match in SLOT.finditer(template)}
        known = {a.name for a in self.archetype.arguments}
        return self.args({n: slots.value(n).written for n in named & known} | constants)


def use(name: str, args: dict[str, Any]) -> Step:
    """The step that calls a tool."""
    return Step(name, args, f"Use {name}.")


def offer(source: Source, words: Words, archetype: Archetype) -> Offer:
    """An archetype under a name, description and argument names of this prompt."""
    rng = source.rng
    # Names and argument names change, so that the prompt has to be read.
    name = rng.choice(archetype.names) if source.chance(0.88) else words.made_up()
    renamed = {a.name: _renamed(source, words, a.name) for a in archetype.arguments}
    beside = options(source, renamed) if source.chance(_WITH_OPTIONS) else ()
    schema = {
        "type": "object",
        "properties": {renamed[a.name]: a.schema for a in archetype.arguments}
        | {option.name: option.schema for option in beside},
        "required": [renamed[a.name] for a in archetype.arguments if a.required],
    }
    tool = ToolDescription(name, rng.choice(archetype.descriptions), schema)
    return Offer(archetype, tool, renamed, beside)


def argument_slots(source: Source, words: Words, arguments: Sequence[Argument]) -> Slots:
    """Slots that draw arguments by their kinds."""
    kinds = {a.name: a.kind for a in arguments if a.kind not in ("enum", "of", "flag")}
    slots = Slots(source, words, kinds)
    for argument in arguments:
        if argument.choices:
            value = source.rng.choice(argument.choices)
            slots.give(argument.name, Number(value, value))
    return slots


def typed(argument: Argument, written: str) -> Any:
    """An argument's value as JSON has it; a reference stays text."""
    if "{{" in written:
        return written
    kind = argument.schema["type"]
    if kind == "boolean":
        return written == "true"
    return json.loads(_bare(written)) if kind in ("integer", "number") else written


def archetypes(split: Split) -> Sequence[Archetype]:
    """The tools of a split: some are never trained on, to measure tools that are truly new."""
    return _split()[split]


def neighbours(source: Source, archetype: Archetype, count: int) -> list[Archetype]:
    """Others of the same split that stand near in the corpus, so of like domains."""
    everything = archetypes(source.split)
    at = everything.index(archetype)
    near = [everything[(at + step) % len(everything)] for step in range(-6, 7) if step]
    return source.rng.sample(near, min(count, len(near)))


def read_archetype(block: Block, names: str) -> Archetype:
    """An archetype from its block.

    Raises:
        ValueError: The block is not of the form that the corpus has.
    """
    descriptions: list[str] = []
    arguments: list[Argument] = []
    wordings: list[Wording] = []
    for line in block.lines:
        if line.startswith("? "):
            descriptions += [text.strip() for text in line[2:].split(" | ")]
        elif line.startswith("@ "):
            arguments.append(_argument(line[2:], block))
        else:
            wordings.append(_wording(line))
    if not descriptions:
        raise ValueError(f"{block.source}: {names} has no description")
    return Archetype(tuple(names.split()), tuple(descriptions), tuple(arguments), tuple(wordings))


@cache
def typical(split: Split) -> Sequence[Archetype]:
    """Those of a split that most labs have, under the names that developers give them."""
    heads = {block.head for block in blocks("tools/api_*.txt")}
    return [archetype for archetype in archetypes(split) if " ".join(archetype.names) in heads]


@cache
def _split() -> dict[Split, Sequence[Archetype]]:
    everything = [read_archetype(block, block.head) for block in blocks("tools/*.txt")]
    held_out = [a for a in everything if is_held_out_kind(a.names[0])]
    return {
        "held_out": held_out,
        "train": [archetype for archetype in everything if archetype not in held_out],
    }


def _argument(line: str, block: Block) -> Argument:
    name, colon, kind = line.partition(":")
    name, kind = name.strip(), kind.strip()
    if not colon or not kind:
        raise ValueError(f"{block.source}: {block.head}: no argument: {line}")
    word, _, rest = kind.partition(" ")
    choices = tuple(choice.strip() for choice in rest.split("|")) if rest else ()
    if bool(choices) != (word in ("enum", "of")):
        raise ValueError(f"{block.source}: {block.head}: odd kind of argument: {line}")
    return Argument(name.rstrip("?"), word, choices, not name.endswith("?"))


def _wording(line: str) -> Wording:
    template, arrow, given = line.rpartition(" => ")
    if not arrow:
        return Wording(line)
    pairs = (pair.partition("=") for pair in given.split(", "))
    return Wording(template.strip(), {name.strip(): value.strip() for name, _, value in pairs})


def _can_be_labelled(argument: Argument) -> bool:
    listed = argument.kind == "of" and argument.name in _LABELLED_LISTS
    return listed or argument.kind in _LABELLED


def _label(source: Source, name: str) -> str:
    """What people call a value whose argument has this name ("order no." for `order_id`)."""
    first, space, last = name.replace("_", " ").rpartition(" ")
    if not space or last not in ("id", "number", "name", "code", "path"):
        return f"{first}{space}{last}"
    ends = ("", f" {last}", " number", " no.") if last != "name" else ("", " name")
    return first + source.rng.choice(ends)


def _renamed(source: Source, words: Words, argument: str) -> str:
    if source.chance(0.88):
        return argument
    return source.rng.choice((f"{argument}_name", f"the_{argument}", words.word(), argument[0]))


def _bare(written: str) -> str:
    return str(int(written)) if written.isdecimal() else written
