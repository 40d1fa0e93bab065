"""The nodes of the chat graph: plan, execute one step, compose the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llmlab.cluster.answers import Answer
from llmlab.errors import ContextLengthError, LabError, PlanError
from llmlab.events import PlanMade, PlannedStep
from llmlab.tools.base import output_text
from llmlab.types import JsonValue
from llmlab.workflows.chat.faithful import NumberGuard
from llmlab.workflows.chat.mend import checked
from llmlab.workflows.chat.prompting import (
    composer_messages,
    fill_references,
    parse_plan_text,
    plan_from_tool_calls,
    plan_schema,
    planner_messages,
    repair_messages,
    step_messages,
)
from llmlab.workflows.chat.state import (
    AgentState,
    StepResult,
    Turn,
    plain_plan,
)
from llmlab.workflows.durable.context import StepOutcome

# What of an output the next prompts quote: more would push the request out of the context.
LONGEST_QUOTE = 6000
# What of a bad plan is quoted in the second attempt.
_LONGEST_BAD_PLAN = 2000

Update = dict[str, Any]


async def make_plan(state: AgentState, turn: Turn) -> Update:
    """Ask for a plan; a bad one is repaired once, and else gives way to a single plain step."""
    first = await turn.run.step("plan", "plan", lambda: _first_plan(turn))
    if first.error is None:
        return {"plan": _planned(first.output), "trace": [*state["trace"], "plan"]}
    bad = str(_field(first.output, "text"))
    problem = str(_field(first.output, "problem"))
    second = await turn.run.step("repair", "plan", lambda: _second_plan(turn, bad, problem))
    return {"plan": _planned(second.output), "trace": [*state["trace"], "plan", "repair"]}


async def run_step(state: AgentState, turn: Turn) -> Update:
    """Run the next step of the plan: a tool, or words."""
    number = len(state["results"]) + 1
    planned = state["plan"][number - 1]
    outputs = [result.output for result in state["results"]]
    key = f"step-{number}"
    if planned.tool is not None:
        step = await turn.run.step(
            key, "tool", lambda: _run_tool(turn, planned, outputs), tool=planned.tool
        )
    else:
        step = await turn.run.step(key, "model", lambda: _run_words(turn, state, planned, outputs))
    result = StepResult(planned.instruction, planned.tool, _quotable(step.output))
    return {"results": [*state["results"], result], "trace": [*state["trace"], key]}


async def compose(state: AgentState, turn: Turn) -> Update:
    """Let the model answer, from the results or, without any, in words alone."""
    step = await turn.run.step("answer", "answer", lambda: _compose(turn, state))
    return {"answer": str(step.output), "trace": [*state["trace"], "answer"]}


def is_plain(plan: list[PlannedStep]) -> bool:
    """Whether a plan is one plain step, whose result is the answer."""
    return len(plan) == 1 and plan[0].tool is None


async def _first_plan(turn: Turn) -> StepOutcome:
    def prompt(history: Any) -> list[dict[str, str]]:
        return planner_messages(turn.message, turn.offered, history)

    if not turn.offered:
        return _settled(turn, plain_plan())
    try:
        answer = await _ask_plan(turn, prompt, again=False)
    except ContextLengthError as too_long:
        # What is too long for planning may still have an answer in words.
        return _settled(turn, plain_plan(), problem=too_long.message)
    plan, problem = _read_plan(turn, answer)
    if plan is not None:
        return _settled(turn, plan, answer)
    error = PlanError(f"The plan cannot be used: {problem}.")
    output: JsonValue = {"problem": problem, "text": _said(answer)[:_LONGEST_BAD_PLAN]}
    return StepOutcome(output, answer.node, answer.cache_hit, answer.usage, error)


async def _second_plan(turn: Turn, bad: str, problem: str) -> StepOutcome:
    def prompt(history: Any) -> list[dict[str, str]]:
        asked = planner_messages(turn.message, turn.offered, history)
        return repair_messages(asked, bad, problem)

    try:
        answer = await _ask_plan(turn, prompt, again=True)
    except ContextLengthError as too_long:
        return _settled(turn, plain_plan(), problem=too_long.message)
    plan, still = _read_plan(turn, answer)
    return _settled(turn, plan or plain_plan(), answer, problem=still)


async def _ask_plan(
    turn: Turn, prompt: Callable[[Any], list[dict[str, str]]], *, again: bool
) -> Answer:
    schema = plan_schema(turn.offered)
    return await turn.asker.plan(prompt, turn.history, schema, again=again)


def _settled(
    turn: Turn, plan: list[PlannedStep], answer: Answer | None = None, *, problem: str | None = None
) -> StepOutcome:
    """The plan that is carried out; it is told together with its record."""
    output: dict[str, JsonValue] = {"steps": [step.model_dump(mode="json") for step in plan]}
    if problem:
        output["problem"] = problem
    events = (PlanMade(plan=plan),)
    if answer is None:
        return StepOutcome(output, turn.node, events=events)
    return StepOutcome(output, answer.node, answer.cache_hit, answer.usage, events=events)


def _read_plan(turn: Turn, answer: Answer) -> tuple[list[PlannedStep] | None, str | None]:
    """Return the plan in an answer, or what is wrong with it."""
    try:
        if answer.tool_calls:
            calls = [{"name": call.name, "arguments": call.arguments} for call in answer.tool_calls]
            found = plan_from_tool_calls(calls)
        else:
            found = parse_plan_text(answer.text)
        plan = [PlannedStep.model_validate(step) for step in found["steps"]]
    except ValueError as error:
        return None, str(error)
    return checked(plan, turn.offered, turn.message, turn.history)


def _said(answer: Answer) -> str:
    return answer.text or "; ".join(f"{call.name}({call.arguments})" for call in answer.tool_calls)


def _planned(output: JsonValue) -> list[PlannedStep]:
    steps = _field(output, "steps")
    assert isinstance(steps, list)
    return [PlannedStep.model_validate(step) for step in steps]


def _field(output: JsonValue, name: str) -> JsonValue:
    assert isinstance(output, Mapping)
    return output[name]


async def _run_tool(turn: Turn, planned: PlannedStep, outputs: list[str]) -> StepOutcome:
    """Run a tool; what goes wrong becomes its result, so that the answer can speak of it."""
    assert planned.tool is not None
    # The check has seen to it that references name earlier steps.
    arguments = fill_references(planned.args, outputs)
    try:
        result = await turn.tools.run(planned.tool, arguments)
    except LabError as error:
        return StepOutcome(f"Error: {error.message}", turn.node, error=error)
    return StepOutcome(result.output, turn.node)


async def _run_words(
    turn: Turn, state: AgentState, planned: PlannedStep, outputs: list[str]
) -> StepOutcome:
    instruction = fill_references(planned.instruction, outputs)
    results = [result.triple() for result in state["results"]]
    answer = await turn.asker.step(
        lambda history: step_messages(turn.message, instruction, results, history), turn.history
    )
    return StepOutcome(answer.text, answer.node, answer.cache_hit, answer.usage)


async def _compose(turn: Turn, state: AgentState) -> StepOutcome:
    results = [result.triple() for result in state["results"]]

    def prompt(history: Any) -> list[dict[str, str]]:
        if is_plain(state["plan"]):
            instruction = state["plan"][0].instruction
            return step_messages(turn.message, instruction, history=history)
        return composer_messages(turn.message, results, history)

    last = state["results"][-1] if results else StepResult("", None, "")
    guard = NumberGuard(last.tool, last.output, turn.run.token)
    answer = await turn.asker.answer(prompt, turn.history, guard.take)
    if not answer.text.strip():
        # A model that is lost for words must not lose the results.
        guard.take(last.output)
    return StepOutcome(guard.end(), answer.node, answer.cache_hit, answer.usage)


def _quotable(output: JsonValue) -> str:
    text = output_text(output)
    if len(text) <= LONGEST_QUOTE:
        return text
    return f"{text[:LONGEST_QUOTE]} ... ({len(text) - LONGEST_QUOTE} characters more)"
