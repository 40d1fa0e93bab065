"""Puts cases to the engine and counts what is right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llmlab.agents.prompting import parse_files
from llmlab.events import PlannedStep
from llmlab.workflows.chat.mend import checked
from llmlab.workflows.chat.prompting import (
    parse_plan_text,
    plan_from_tool_calls,
    plan_schema,
    planner_messages,
    repair_messages,
)
from llmlab.workflows.orchestrated.prompting import (
    analyzer_schema,
    parse_verdict,
    validator_schema,
)
from training.data import smalltalk
from training.data.sample import Sample
from training.evaluate.cases import PlanCase
from training.evaluate.compare import Plan, same_plan, same_tools
from training.evaluate.engine import Engine
from training.evaluate.programs import passes_tests

_PLAIN: Plan = [(None, {})]
_SCHEMAS = {"kind": analyzer_schema(), "verdict": validator_schema()}


@dataclass(frozen=True)
class Mark:
    """How one case went.

    Attributes:
        kind: What was measured.
        right: Whether the answer is right.
        tool_right: Whether at least the tools are; None where there is no plan.
        shown: The case in words, for looking at mistakes.
        checked: Whether a plan is right after the product's check and, if need be, its repair.
    """

    kind: str
    right: bool
    tool_right: bool | None
    shown: str
    checked: bool | None = None


def mark_plans(engine: Engine, cases: Iterable[PlanCase]) -> list[Mark]:
    """Plans as the product asks for them: its messages, its schema, greedily."""
    return [_mark_plan(engine, case) for case in cases]


def mark_answers(engine: Engine, samples: Iterable[Sample]) -> list[Mark]:
    """Texts against what the generator expects; any of its jokes, stories and poems will do."""
    return [_mark_answer(engine, sample) for sample in samples]


def _mark_plan(engine: Engine, case: PlanCase) -> Mark:
    messages = planner_messages(case.message, case.tools, case.history)
    schema = plan_schema(case.tools)
    text = asked(engine, messages, schema)
    plan, (settled, problem) = _read(text, case)
    if problem is not None:
        again = repair_messages(messages, text, problem)
        _, (settled, problem) = _read(asked(engine, again, schema), case)
    return Mark(
        case.kind,
        _is_right(plan, case),
        plan is not None and any(same_tools(plan, wanted) for wanted in case.plans),
        f"{case.message} -> {text}",
        # What stays bad gives way to a plain step.
        _is_right(_PLAIN if problem is not None else settled, case),
    )


def _read(text: str, case: PlanCase) -> tuple[Plan | None, tuple[Plan | None, str | None]]:
    """The plan in an answer, and what the product makes of it: a plan, or what is wrong."""
    try:
        steps = [PlannedStep.model_validate(step) for step in parse_plan_text(text)["steps"]]
    except ValueError as error:
        return None, (None, str(error))
    settled, problem = checked(steps, case.tools, case.message, case.history)
    return _plan(steps), (settled and _plan(settled), problem)


def _plan(steps: Sequence[PlannedStep]) -> Plan:
    return [(step.tool, step.args) for step in steps]


def _is_right(plan: Plan | None, case: PlanCase) -> bool:
    return plan is not None and any(same_plan(plan, wanted, case.free) for wanted in case.plans)


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
    if sample.kind == "team-code":
        right = same_program(answer, sample.answer) and runs(answer)
        return Mark(sample.kind, right, None, shown)
    works = (smalltalk.JOKES, smalltalk.STORIES, smalltalk.POEMS)
    same_art = any(answer in group and sample.answer in group for group in works)
    return Mark(sample.kind, same_art or answer == sample.answer, None, shown)


def asked(
    engine: Engine,
    messages: Sequence[dict[str, str]],
    schema: dict[str, object] | None = None,
) -> str:
    """The text that the model answers; empty if the prompt is too long for it."""
    try:
        return str(engine.reply(messages, schema=schema)["content"])
    except RuntimeError:
        return ""


def runs(answer: str) -> bool:
    """Whether the files of an answer pass their own tests."""
    try:
        return passes_tests(parse_files(answer))
    except ValueError:
        return False


def same_program(answer: str, wanted: str) -> bool:
    """Whether an answer has the program (not necessarily the tests) that is wanted."""
    try:
        return parse_files(answer)[0] == parse_files(wanted)[0]
    except ValueError:
        return False


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
