"""Puts cases to the engine and counts what is right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llmlab.workflows.chat.prompting import (
    composer_messages,
    parse_plan_text,
    plan_from_tool_calls,
    plan_schema,
    planner_messages,
    step_messages,
)
from llmlab.workflows.orchestrated.prompting import (
    analyzer_messages,
    analyzer_schema,
    parse_kind,
    parse_verdict,
    validator_schema,
)
from training.data import smalltalk
from training.data.sample import Sample
from training.evaluate.cases import PlanCase, sealed_rows
from training.evaluate.compare import Plan, same_plan, same_tools
from training.evaluate.engine import Engine

_SCHEMAS = {"kind": analyzer_schema(), "verdict": validator_schema()}
PLAIN_STEP = "Answer the user."
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_DECLINING = (
    smalltalk.UNKNOWN,
    smalltalk.NO_SUMS,
    smalltalk.NO_WEB,
    smalltalk.NO_CLOCK,
    smalltalk.NO_ACTION,
)


@dataclass(frozen=True)
class Mark:
    """How one case went.

    Attributes:
        kind: What was measured.
        right: Whether the answer is right.
        tool_right: Whether at least the tools are; None where there is no plan.
        shown: The case in words, for looking at mistakes.
    """

    kind: str
    right: bool
    tool_right: bool | None
    shown: str


def mark_plans(engine: Engine, cases: Iterable[PlanCase]) -> list[Mark]:
    """Plans as the product asks for them: its messages, its schema, greedily."""
    return [_mark_plan(engine, case) for case in cases]


def mark_answers(engine: Engine, samples: Iterable[Sample]) -> list[Mark]:
    """Texts against what the generator expects; any of its jokes, stories and poems will do."""
    return [_mark_answer(engine, sample) for sample in samples]


def mark_sealed_compose(engine: Engine) -> list[Mark]:
    """Composed answers: what must and must not be in them."""
    marks = []
    for row in sealed_rows("compose"):
        results = [(instruction, tool, output) for instruction, tool, output in row["results"]]
        answer = _text(engine, composer_messages(row["message"], results))
        needed = [[word] if isinstance(word, str) else word for word in row["must_contain"]]
        right = all(any(_contains(answer, word) for word in group) for group in needed)
        right = right and not any(_contains(answer, word) for word in row["must_not_contain"])
        marks.append(Mark("compose", right, None, f"{row['message']} -> {answer}"))
    return marks


def mark_sealed_honest(engine: Engine) -> list[Mark]:
    """Declines what it cannot do, answers what it can.

    Any text that does not decline counts as an answer here; whether it fits is for a reader.
    """
    marks = []
    for row in sealed_rows("honest"):
        answer = _text(engine, step_messages(row["message"], PLAIN_STEP))
        declines = answer.strip() in _DECLINING
        right = declines == (row["expected"] == "decline")
        marks.append(
            Mark(f"honest-{row['expected']}", right, None, f"{row['message']} -> {answer}")
        )
    return marks


def mark_sealed_kinds(engine: Engine) -> list[Mark]:
    """What kind of request each message is."""
    marks = []
    for row in sealed_rows("kinds"):
        text = _text(engine, analyzer_messages(row["message"]), analyzer_schema())
        shown = f"{row['message']} -> {text}"
        marks.append(Mark("kind", parse_kind(text) == row["kind"], None, shown))
    return marks


def _mark_plan(engine: Engine, case: PlanCase) -> Mark:
    messages = planner_messages(case.message, case.tools, case.history)
    text = _text(engine, messages, plan_schema(case.tools))
    try:
        plan = _steps(parse_plan_text(text))
    except ValueError:
        return Mark(case.kind, False, False, f"{case.message} -> {text}")
    right = any(same_plan(plan, wanted, case.free) for wanted in case.plans)
    tools = any(same_tools(plan, wanted) for wanted in case.plans)
    return Mark(case.kind, right, tools, f"{case.message} -> {json.dumps(plan)}")


def _mark_answer(engine: Engine, sample: Sample) -> Mark:
    message = engine.reply(sample.messages, sample.tools, _SCHEMAS.get(sample.kind))
    shown = f"{sample.messages[-1]['content']} -> {message}"
    if sample.kind == "native-call":
        right = same_plan(_called(message), _called_text(sample.answer))
        return Mark(sample.kind, right, None, shown)
    answer = message["content"] or ""
    if sample.kind == "verdict":
        right = parse_verdict(answer).ok == parse_verdict(sample.answer).ok
        return Mark(sample.kind, right, None, shown)
    works = (smalltalk.JOKES, smalltalk.STORIES, smalltalk.POEMS)
    same_art = any(answer in group and sample.answer in group for group in works)
    return Mark(sample.kind, same_art or answer == sample.answer, None, shown)


def _text(
    engine: Engine,
    messages: Sequence[dict[str, str]],
    schema: dict[str, object] | None = None,
) -> str:
    return str(engine.reply(messages, schema=schema)["content"])


def _called(message: dict[str, object]) -> Plan:
    calls = message.get("tool_calls")
    try:
        return _steps(plan_from_tool_calls(calls)) if isinstance(calls, list) else []
    except ValueError:
        return []


def _called_text(answer: str) -> Plan:
    return _steps(parse_plan_text(answer))


def _steps(plan: dict[str, list[dict[str, object]]]) -> Plan:
    return [(step["tool"], step["args"]) for step in plan["steps"]]  # type: ignore[misc]


def _contains(text: str, wanted: str) -> bool:
    text, wanted = _THOUSANDS.sub("", text.lower()), _THOUSANDS.sub("", wanted.lower())
    if _NUMBER.fullmatch(wanted):
        return any(float(number) == float(wanted) for number in _NUMBER.findall(text))
    return wanted in text
