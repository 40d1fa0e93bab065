"""Holds a plan against its tools and against the user's words, before anything of it runs.

A model that copies wrongly leaves a sign: something stands in the plan that nobody said, while
something that was said is missing. That is what is looked for; what a model may well know by
itself (the hours of a day, the language of a country) is left alone, so that ordinary plans
raise no alarm. A wrong operator cannot be seen this way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmlab.events import PlannedStep
from llmlab.types import JsonValue
from llmlab.workflows.chat.numbers import Forms, SaidNumbers, numbers_in, numbers_said
from llmlab.workflows.chat.prompting import REFERENCE
from llmlab.workflows.chat.tool import ToolDescription
from llmlab.workflows.chat.words import Words

# A text of this length is a document to work on; its words explain about everything.
LONGEST_REQUEST = 20_000

_ARITHMETIC = re.compile(r"[\d)]\s*(?:[-+*/%^]|\*\*)\s*[(\d]|^\s*[\d.]+\s*$")
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?\S*)?|\b\d{1,2}:\d{2}(?::\d{2})?\b"
)
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_TRIVIAL: Forms = frozenset({0.0, 1.0})
# What people and models multiply, divide and count by without saying so.
_COMMON: Forms = _TRIVIAL | frozenset(
    float(value)
    for value in (
        *(2, 3, 4, 5, 7, 10, 12, 24, 30, 31, 32, 52, 60, 100, 360, 365, 366, 1000, 1024),
        *(1440, 3600, 86400, 1000000, 0.5, 1.8, 273.15),
    )
)


@dataclass(frozen=True, slots=True)
class _Texts:
    """The strings of a tool's arguments, without those that the schema lists."""

    step: int
    texts: list[str]
    numbers: list[tuple[str, Forms]]
    refers: bool


def find_problem(
    plan: Sequence[PlannedStep],
    tools: Sequence[ToolDescription],
    message: str,
    history: Sequence[tuple[str, str]] = (),
) -> str | None:
    """Return what is wrong with a plan, in words that a model can use; None if nothing is.

    Args:
        plan: The plan.
        tools: What its steps may use.
        message: The user's words.
        history: Earlier turns as (user, assistant); a plan may draw on them.
    """
    known = {tool.name: tool for tool in tools}
    for number, step in enumerate(plan, 1):
        if problem := _form_problem(number, step, known):
            return problem
    if len(message) > LONGEST_REQUEST:
        return None
    words = Words(message, "\n".join(part for turn in history for part in turn))
    used = [_texts(number, step, known, words) for number, step in enumerate(plan, 1) if step.tool]
    spoken = " ".join([step.instruction for step in plan if not step.tool])
    return (
        _number_problem(used, words, spoken)
        or _address_problem(used, words, spoken)
        or _quote_problem(used, words)
        or _stranger_problem(used, words)
    )


def _form_problem(number: int, step: PlannedStep, known: dict[str, ToolDescription]) -> str | None:
    content = json.dumps([step.args, step.instruction], ensure_ascii=False)
    for reference in REFERENCE.findall(content):
        if not 1 <= int(reference) < number:
            return f"step {number} refers to {{{{{reference}}}}}, which is no earlier step"
    if step.tool is None:
        return None
    tool = known.get(step.tool)
    if tool is None:
        names = ", ".join(known) or "none; use null"
        return f"step {number} uses {step.tool!r}, which is not a tool (tools: {names})"
    return _arguments_problem(number, step, tool)


def _arguments_problem(number: int, step: PlannedStep, tool: ToolDescription) -> str | None:
    properties = tool.parameters.get("properties") or {}
    missing = [name for name in tool.parameters.get("required") or () if name not in step.args]
    if missing:
        return f"step {number} lacks {', '.join(missing)} in the args of {tool.name}"
    if tool.parameters.get("additionalProperties") is not True:
        unknown = [name for name in step.args if name not in properties]
        if unknown and properties:
            names, has = ", ".join(unknown), ", ".join(properties)
            return f"step {number} gives {tool.name} the unknown args {names} (it has: {has})"
    for name, value in step.args.items():
        schema = properties.get(name)
        if isinstance(schema, dict) and not _fits(value, schema):
            return f"step {number} gives {tool.name} a wrong {name}: {json.dumps(value)[:80]}"
    return None


def _fits(value: JsonValue, schema: dict[str, object]) -> bool:
    """Whether a value has the type, or is one of the choices; a reference may become anything."""
    if isinstance(value, str) and REFERENCE.search(value):
        return True
    choices = schema.get("enum")
    if isinstance(choices, list):
        return value in choices
    kinds = schema.get("type")
    names = kinds if isinstance(kinds, list) else [kinds]
    allowed = [kind for name in names for kind in _TYPES.get(str(name), (object,))]
    if isinstance(value, bool):
        return bool in allowed or object in allowed
    if isinstance(value, float) and value.is_integer() and int in allowed:
        return True
    return isinstance(value, tuple(allowed))


def _texts(
    number: int, step: PlannedStep, known: dict[str, ToolDescription], words: Words
) -> _Texts:
    properties = known[step.tool or ""].parameters.get("properties") or {}
    texts: list[str] = []
    numbers: list[tuple[str, Forms]] = []
    for name, value in step.args.items():
        schema = properties.get(name)
        if isinstance(schema, dict) and ("enum" in schema or "const" in schema):
            continue
        for leaf in _leaves(value):
            if isinstance(leaf, str):
                texts.append(leaf)
                numbers += _numbers_of(leaf, words)
            elif isinstance(leaf, int | float) and not isinstance(leaf, bool):
                numbers.append((json.dumps(leaf), frozenset({abs(float(leaf))})))
    refers = REFERENCE.search(json.dumps(step.args)) is not None
    return _Texts(number, texts, numbers, refers)


def _leaves(value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _numbers_of(text: str, words: Words) -> list[tuple[str, Forms]]:
    text = REFERENCE.sub(" ", text)
    if words.speak_of_time:
        # Tomorrow at seven has become a date and an hour, rightly or not.
        text = _MOMENT.sub(" ", text)
    return [(token, forms) for token, forms in numbers_in(text)]


def _number_problem(used: Sequence[_Texts], words: Words, spoken: str) -> str | None:
    said = numbers_said(words.message)
    earlier = numbers_said(words.history)
    foreign = [
        (step, token, forms)
        for step in used
        for token, forms in step.numbers
        if not (forms & _TRIVIAL or said.explain(forms) or earlier.explain(forms))
        and not words.has_digits(token)
    ]
    if not words.only_arithmetic:
        calculates = any(_ARITHMETIC.search(text) for step in used for text in step.texts)
        missing = _missing(said, used, spoken) or (calculates and not said.said)
        foreign = [entry for entry in foreign if missing and not entry[2] & _COMMON]
    if not foreign:
        return None
    step, token, _ = foreign[0]
    hint = " and write {{1}} for the output of step 1" if step.step > 1 else ""
    return (
        f"step {step.step} uses {token}, which the request does not say; copy numbers exactly{hint}"
    )


def _missing(said: SaidNumbers, used: Sequence[_Texts], spoken: str) -> bool:
    """Whether the request says a number that the plan does not use."""
    in_plan = [forms for step in used for _, forms in step.numbers]
    in_plan += [forms for text in (spoken, *_all(used)) for _, forms in numbers_in(text)]
    present = SaidNumbers(in_plan)
    return any(not present.explain(forms) for forms in said.said)


def _all(used: Sequence[_Texts]) -> list[str]:
    return [text for step in used for text in step.texts]


def _address_problem(used: Sequence[_Texts], words: Words, spoken: str) -> str | None:
    plan = Words(" ".join([spoken, *_all(used)]))
    missing = {address.kind for address in words.addresses if not plan.has(address.text)}
    for step in used:
        for address in (found for text in step.texts for found in Words(text).addresses):
            if address.kind in missing and not words.has(address.text):
                return (
                    f"step {step.step} uses {address.text!r}, which the request does not say; "
                    "copy names and addresses exactly"
                )
    return None


def _quote_problem(used: Sequence[_Texts], words: Words) -> str | None:
    plan = Words(" ".join(_all(used)))
    for quote in words.quotes:
        if plan.has(quote):
            continue
        for step in used:
            if any(words.nearly(text, quote) for text in step.texts):
                return f"step {step.step} does not have {quote!r} as it was said; copy it exactly"
    return None


def _stranger_problem(used: Sequence[_Texts], words: Words) -> str | None:
    """A step whose strings have nothing to do with anything that was said."""
    said = numbers_said(words.message)
    for step in used:
        texts = [text for text in step.texts if words.comparable(text)]
        if not texts or step.refers or any(words.related(text) for text in step.texts):
            continue
        if any(said.explain(forms) for _, forms in step.numbers):
            continue
        return (
            f"step {step.step} uses {texts[0][:60]!r}, which the request does not say; "
            "take the arguments from the request"
        )
    return None
