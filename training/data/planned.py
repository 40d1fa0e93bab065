"""Requests of the corpus that come with their whole plan, over known tools and new ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from training.data.corpus import Block, blocks, drawn
from training.data.currency import priced
from training.data.lookup import BROWSE, CLOCK, SEARCH
from training.data.newtools import (
    Archetype,
    Offer,
    argument_slots,
    read_archetype,
    use,
)
from training.data.numbers import Number
from training.data.ordering import in_order
from training.data.phrasing import Source, polish
from training.data.rewording import reworded
from training.data.rough import roughened
from training.data.sample import Request, Step
from training.data.slots import Slots, zone
from training.data.words import Words

_CALL = re.compile(r"([\w.]+)\((.*)\)", re.DOTALL)
_NEXT_ARGUMENT = re.compile(r", (?=\w+=)")
_INSTRUCTIONS = {
    "calculator": "Calculate.",
    "web_search": SEARCH,
    "browser": BROWSE,
    "datetime": CLOCK,
}


@dataclass(frozen=True)
class _Call:
    """One step of a plan's head: a tool (None for words alone) and its arguments, or its text."""

    tool: str | None
    args: dict[str, str]
    text: str = ""


@dataclass(frozen=True)
class Scenario:
    """A plan over new tools, and how it is asked for.

    Attributes:
        tools: The new tools of its file, by first name.
        block: Its head and wordings.
    """

    tools: dict[str, Archetype]
    block: Block

    @property
    def needed(self) -> list[str]:
        """The tools that it calls, known ones included."""
        return list(dict.fromkeys(call.tool for call in _calls(self.block.head) if call.tool))


def single(source: Source, words: Words, kind: str, *, zones: bool = False) -> Request:
    """A request of one step: `search`, `browser`, `clock` or `plain`.

    Args:
        source: Of every choice.
        words: Of texts.
        kind: Which file of the corpus.
        zones: Whether the clock takes a time zone.
    """
    block = drawn(source.rng, f"plans/one_{kind}*.txt")
    named = {"plain": "none", "clock": "datetime"}.get(kind, kind)
    return _known(source, words, block, named, zones=zones)


def chained(
    source: Source, words: Words, allowed: Sequence[str], *, zones: bool = False
) -> Request | None:
    """A request of several steps over known tools; None if the one drawn needs others."""
    kind = source.rng.choice(("chain_calc", "chain_calc", "chain_text", "several", "several"))
    block = drawn(source.rng, f"plans/{kind}*.txt")
    if any(call.tool and call.tool not in allowed for call in _calls(block.head)):
        return None
    named = "several" if kind == "several" else "chain"
    return _known(source, words, block, named, zones=zones)


@cache
def scenarios() -> Sequence[Scenario]:
    """All plans over new tools.

    Raises:
        ValueError: A plan uses a tool that its file does not define before it.
    """
    tools: dict[str, dict[str, Archetype]] = {}
    found = []
    for block in blocks("plans/chain_new*.txt"):
        known = tools.setdefault(block.source, {})
        if block.head.startswith("tool "):
            archetype = read_archetype(block, block.head.removeprefix("tool "))
            known[archetype.names[0]] = archetype
            continue
        used = {call.tool for call in _calls(block.head) if call.tool}
        unknown = used - set(known) - set(_INSTRUCTIONS)
        if unknown:
            raise ValueError(f"{block.source}: {block.head}: unknown tools {sorted(unknown)}")
        chosen = {name: known[name] for name in sorted(used & set(known))}
        found.append(Scenario(chosen, block))
    return tuple(found)


def played(source: Source, words: Words, scenario: Scenario, offers: dict[str, Offer]) -> Request:
    """A scenario's request and plan, under the names that its tools have in this prompt."""
    arguments = [a for archetype in scenario.tools.values() for a in archetype.arguments]
    slots = argument_slots(source, words, arguments)
    wording = source.phrase(scenario.block.lines)
    steps = tuple(
        use(offers[call.tool].tool.name, offers[call.tool].args(_filled(call, slots)))
        if call.tool in offers
        else _step(call, slots, wording)
        for call in _calls(scenario.block.head)
    )
    return Request("chain-new", _message(source, wording, slots), steps)


def _known(source: Source, words: Words, block: Block, kind: str, *, zones: bool) -> Request:
    calls = _calls(block.head)
    if not zones:
        # A clock that takes no time zone is still the best tool for the time elsewhere.
        calls = tuple(replace(call, args={}) if call.tool == "datetime" else call for call in calls)
    slots = Slots(source, words)
    for mark in ("", ".b"):
        name, place = zone(source)
        slots.give(f"zone{mark}", Number(name, name))
        slots.give(f"zonecity{mark}", Number(place, place))
    wording = source.phrase(block.lines)
    if all(call.tool == "calculator" for call in calls):
        wording = reworded(source, wording, sums=True)
    shown = priced(source, wording) if calls[0].tool == "calculator" else wording
    message = _message(source, shown, slots)
    return Request(kind, message, tuple(_step(call, slots, wording) for call in calls))


def _message(source: Source, wording: str, slots: Slots) -> str:
    text = slots.said(roughened(source, wording))
    return text if wording.startswith(("{", '"', "'")) else polish(source, text)


def _step(call: _Call, slots: Slots, wording: str) -> Step:
    if call.tool is None:
        return Step(None, {}, call.text)
    args: dict[str, Any] = _filled(call, slots)
    if call.tool == "calculator":
        args["expression"] = slots.written(in_order(call.args["expression"], wording))
    return Step(call.tool, args, _INSTRUCTIONS[call.tool])


def _filled(call: _Call, slots: Slots) -> dict[str, str]:
    return {name: slots.written(value) for name, value in call.args.items()}


@cache
def _calls(head: str) -> tuple[_Call, ...]:
    """The steps of a plan's head.

    Raises:
        ValueError: It is not of the form that the corpus has.
    """
    return tuple(_call(part.strip()) for part in head.split(" ; "))


def _call(text: str) -> _Call:
    match = _CALL.fullmatch(text)
    if match is None:
        raise ValueError(f"not a step: {text}")
    name, inner = match[1], match[2].strip()
    if name == "null":
        return _Call(None, {}, inner)
    pairs = (part.partition("=") for part in _NEXT_ARGUMENT.split(inner)) if inner else ()
    return _Call(name, {key.strip(): value.strip() for key, _, value in pairs})
