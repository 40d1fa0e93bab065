"""Sets a plan right where a model copied badly, so that it need not be asked again.

A bad copy is only mended if it is plain what it is a copy of: an address or a quotation that was
said, that the plan lacks, and that is like what stands there instead, or follows where a text
breaks off, or of which a text lacks the first letters; or a time zone whose city lies in another
area or has none. A call that stands there twice is made once. What else is wrong with a plan goes
back to the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import cache
from zoneinfo import available_timezones

from llmlab.events import PlannedStep
from llmlab.types import JsonObject, JsonValue
from llmlab.workflows.chat.check import LONGEST_REQUEST, find_problem
from llmlab.workflows.chat.repeats import without_repeats
from llmlab.workflows.chat.tool import ToolDescription
from llmlab.workflows.chat.words import Address, Words

History = Sequence[tuple[str, str]]
# From the name and the text of an argument.
_Change = Callable[[str, str], str]

_ZONE = re.compile(
    r"(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)/\w+"
)
_LEAST_ALIKE = 0.6
# Before these an address may be meant to end: the host of a page.
_ENDS = "/?#:"
# A shorter beginning of an address may be meant as it is.
_SHORTEST = 8
_SHORTEST_END = 3


def checked(
    plan: Sequence[PlannedStep],
    tools: Sequence[ToolDescription],
    message: str,
    history: History = (),
) -> tuple[list[PlannedStep] | None, str | None]:
    """Return the plan to carry out, mended if need be, or else what is wrong with it.

    Args:
        plan: As the model gave it.
        tools: What its steps may use.
        message: The user's words.
        history: Earlier turns as (user, assistant); a plan may draw on them.
    """
    if len(message) > LONGEST_REQUEST:
        problem = find_problem(plan, tools, message, history)
        return (None, problem) if problem else (list(plan), None)
    words = Words(message, "\n".join(part for turn in history for part in turn))
    once = without_repeats(plan, message)
    whole = _changed(once, lambda name, text: _zone(name, _completed(text, words)))
    whole = _continued(whole, words)
    problem = find_problem(whole, tools, message, history)
    if problem is None:
        return whole, None
    missing = _missing(whole, words)
    mended = _changed(whole, lambda _, text: _copied(text, words, missing))
    if find_problem(mended, tools, message, history) is None:
        return mended, None
    return None, problem


def _completed(text: str, words: Words) -> str:
    """An address as it was said, if it lacks a mark or a part; the check lets that pass."""
    text = words.as_said(text)
    said = [address.text for address in words.addresses]
    if text in said:
        return text
    alone = words.stands_alone(text)
    whole = {
        one for one in said if _breaks_off(text, one) or (not alone and _begins_within(text, one))
    }
    return whole.pop() if len(whole) == 1 else text


def _breaks_off(text: str, address: str) -> bool:
    """Whether a text is the beginning of an address, and not one that may be meant as it is."""
    if len(text) < _SHORTEST or not text[-1].isalnum() or not address.startswith(text):
        return False
    # A file may be meant without its suffix, but no page without a part of its host.
    return address[len(text)] not in (_ENDS if "://" in text else f"{_ENDS}.")


def _begins_within(text: str, address: str) -> bool:
    """Whether a text is the end of an address and begins in the middle of a word of it.

    A text of letters alone may be a word of its own, which happens to end like an address.
    """
    if len(text) < _SHORTEST_END or text.isalpha() or not address.endswith(text):
        return False
    last, first = address[-len(text) - 1], text[0]
    return last.isalpha() and first.isalpha() and last.isupper() == first.isupper()


def _continued(plan: Sequence[PlannedStep], words: Words) -> list[PlannedStep]:
    """The plan with its texts read on where they break off before a quotation."""
    missing = [one.text for one in _missing(plan, words) if one.kind == "quote"]
    return _changed(plan, lambda _, text: words.read_on(text, missing)) if missing else list(plan)


def _zone(name: str, text: str) -> str:
    """The time zone whose city is given with a wrong area, or without; the check lets it pass."""
    area, _, city = text.rpartition("/")
    if not (_ZONE.fullmatch(text) if area else "zone" in name.lower()):
        return text
    zones = _zones().get(city.replace(" ", "_"), [text])
    return text if text in zones or len(zones) > 1 else zones[0]


@cache
def _zones() -> dict[str, list[str]]:
    """Names of time zones by their cities."""
    found: dict[str, list[str]] = {}
    for name in sorted(available_timezones()):
        found.setdefault(name.rpartition("/")[2], []).append(name)
    return found


def _missing(plan: Sequence[PlannedStep], words: Words) -> list[Address]:
    """The addresses and quotations that were said, but are not in the plan."""
    there = Words(json.dumps([[step.args, step.instruction] for step in plan], ensure_ascii=False))
    said = [*words.addresses, *(Address("quote", quote) for quote in words.quotes)]
    return [one for one in said if not there.has(one.text)]


def _copied(text: str, words: Words, missing: Sequence[Address]) -> str:
    """A text with bad copies in the place of which stands what was said."""
    for found in Words(text).addresses:
        right = _likest(found.text, [one.text for one in missing if one.kind == found.kind])
        if right is not None and not words.has(found.text):
            text = text.replace(found.text, right)
    quote = _likest(text, [one.text for one in missing if one.kind == "quote"])
    return quote if quote is not None and not words.has(text) else text


def _likest(text: str, candidates: Sequence[str]) -> str | None:
    def alike(candidate: str) -> float:
        return SequenceMatcher(None, text[:400], candidate[:400], autojunk=False).ratio()

    best = max(candidates, key=alike, default=None)
    return best if best is not None and alike(best) >= _LEAST_ALIKE else None


def _changed(plan: Sequence[PlannedStep], change: _Change) -> list[PlannedStep]:
    """The plan with every text in the arguments of its tools changed."""
    return [step.model_copy(update={"args": _args(step.args, change)}) for step in plan]


def _args(args: JsonObject, change: _Change) -> JsonObject:
    return {name: _value(name, value, change) for name, value in args.items()}


def _value(name: str, value: JsonValue, change: _Change) -> JsonValue:
    if isinstance(value, str):
        return change(name, value)
    if isinstance(value, list):
        return [_value(name, item, change) for item in value]
    return _args(value, change) if isinstance(value, dict) else value
