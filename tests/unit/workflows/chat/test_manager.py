"""Chat turns with a scripted model: plans of every kind, tools, failures."""

import asyncio
import json
from typing import Any

import pytest
from tests.chatting import ANSWER, PLAN, QUESTION, STEP, MakeLab, Model, keys

from llmlab.errors import EngineError, LabError, ModelNotFoundError, NoWorkerError
from llmlab.events import PlanMade, RunDone
from llmlab.protocol.lab import ChatBody
from llmlab.store import events, runs, steps
from llmlab.store.database import Database
from llmlab.testing.script import Reply
from llmlab.types import ToolCall


async def test_a_calculation_goes_through_the_calculator(
    make_lab: MakeLab, sqlite: Database
) -> None:
    lab = make_lab(PLAN)
    result = await lab.ask()
    assert "1675" in result.answer
    assert [step.model_dump() for step in result.plan] == [STEP]
    assert [(step.key, step.kind, step.tool, step.node) for step in result.steps] == [
        ("plan", "plan", None, "node-1"),
        ("step-1", "tool", "calculator", "here"),
        ("answer", "answer", None, "node-1"),
    ]
    assert result.steps[1].output == {"result": 1675}
    assert result.usage.total_tokens > 0
    tasks = await sqlite.read(steps.tasks, tenant="owner")
    assert {(task.key, task.assignee) for task in tasks} == {
        ("plan", "node-1"),
        ("step-1", "calculator"),
        ("answer", "node-1"),
    }
    (run,) = await sqlite.read(runs.listing, tenant="owner")
    assert (run.id, run.kind, run.status, run.model) == (result.run_id, "chat", "done", "lab-mini")
    assert run.usage.total_tokens == result.usage.total_tokens


async def test_the_stream_tells_plan_steps_tokens_and_the_end(
    make_lab: MakeLab, sqlite: Database
) -> None:
    lab = make_lab(PLAN)
    told = [event async for event in lab.manager.stream(ChatBody(message=QUESTION), "owner")]
    kinds = [event.type for event in told if event.type != "token"]
    assert kinds == ["run", "plan", "step", "step", "step", "done"]
    tokens = [event.text for event in told if event.type == "token"]
    assert "".join(tokens) == ANSWER
    assert len(tokens) > 1
    first_token = [event.type for event in told].index("token")
    assert told[first_token - 1].type == "step"
    stored = await sqlite.read(events.after, told[-1].run_id or "")  # type: ignore[union-attr]
    assert [event.event.type for event in stored] == kinds


async def test_the_composer_reads_the_results_and_the_planner_a_schema(make_lab: MakeLab) -> None:
    model = Model(PLAN)
    await make_lab(model=model).ask()
    planning, composing = model.bodies
    form = planning["response_format"]
    assert form["type"] == "json_schema"
    tools = json.dumps(form["json_schema"]["schema"])
    assert '"calculator"' in tools
    assert planning["temperature"] == 0
    assert composing["messages"][-1]["content"] == (
        f"Request: {QUESTION}\nResults:\n1. Calculate. (calculator): 1675\nAnswer:"
    )
    assert "response_format" not in composing


async def test_results_reach_later_steps(make_lab: MakeLab) -> None:
    plan = [
        STEP,
        {"tool": "calculator", "args": {"expression": "{{1}} + 10"}},
        {"tool": "echo", "args": {"text": "first {{1}}, then {{2}}"}},
        {"tool": None, "instruction": "Write a verse on {{2}}."},
    ]
    model = Model(json.dumps(plan), answer="A verse.")
    result = await make_lab(model=model).ask("25 * 67, then add 10, echo both, and a verse")
    assert [step.output for step in result.steps[1:4]] == [
        {"result": 1675},
        {"result": 1685},
        "first 1675, then 1685",
    ]
    assert (result.steps[4].kind, result.steps[4].output) == ("model", "A verse.")
    worded = model.prompts[1][-1]["content"]
    assert worded.endswith("Step: Write a verse on 1685.")
    assert "3.  (echo)" not in worded
    assert "4. Write a verse on {{2}}. (text): A verse." in model.prompts[2][-1]["content"]


async def test_small_talk_needs_no_tool_and_no_composer(make_lab: MakeLab) -> None:
    plan = {"steps": [{"tool": None, "args": {}, "instruction": "Answer the user."}]}
    result = await make_lab(json.dumps(plan), answer="Hello!").ask("Hi there")
    assert (result.answer, keys(result)) == ("Hello!", ["plan", "answer"])


GOOD_PLANS = {
    "fenced": Reply(f"Sure! Here is the plan:\n```json\n{PLAN}\n```\nLet me know."),
    "prose": Reply(f"I would do this: {PLAN} and then tell you the result."),
    "thoughts": Reply(f'<think>{{"steps": []}} is too little</think>\n{PLAN}'),
    "list": Reply(json.dumps([STEP])),
    "one step": Reply(json.dumps(STEP)),
    "extra fields": Reply(
        json.dumps(
            {
                "reasoning": "simple",
                "plan": {"steps": [STEP | {"id": 1, "depends_on": [], "confidence": 0.9}]},
            }
        )
    ),
    "other names": Reply(
        json.dumps({"steps": [{"tool_name": "calculator", "arguments": {"expression": "25 * 67"}}]})
    ),
    "text calls": Reply(
        '<tool_call>{"name": "calculator", "arguments": {"expression": "25 * 67"}}</tool_call>'
    ),
    "native calls": Reply(tool_calls=(ToolCall("c1", "calculator", '{"expression": "25 * 67"}'),)),
}


@pytest.mark.parametrize("kind", GOOD_PLANS)
async def test_plans_of_the_kinds_that_models_give_are_understood(
    make_lab: MakeLab, kind: str
) -> None:
    result = await make_lab(GOOD_PLANS[kind]).ask()
    assert keys(result) == ["plan", "step-1", "answer"]
    assert result.steps[1].output == {"result": 1675}


BAD_PLANS = {
    "no json": Reply("I think you should use a calculator."),
    "cut off": Reply(PLAN[:-5]),
    "empty": Reply('{"steps": []}'),
    "nothing": Reply(""),
    "unknown tool": Reply(json.dumps([STEP | {"tool": "wolfram"}])),
    "missing argument": Reply(json.dumps([STEP | {"args": {}}])),
    "too long": Reply(json.dumps([STEP] * 7)),
    "other numbers": Reply(json.dumps([STEP | {"args": {"expression": "52 * 76"}}])),
    "native calls": Reply(tool_calls=(ToolCall("c1", "calculator", '{"expression": '),)),
    "nested": Reply("[" * 100_000),
}


@pytest.mark.parametrize("kind", BAD_PLANS)
async def test_a_bad_plan_is_repaired_once(make_lab: MakeLab, kind: str) -> None:
    model = Model(BAD_PLANS[kind], PLAN)
    lab = make_lab(model=model)
    result = await lab.ask()
    assert keys(result) == ["plan", "repair", "step-1", "answer"]
    assert result.steps[0].error is not None
    assert result.steps[1].error is None
    assert [step.model_dump() for step in result.plan] == [STEP]
    assert "That was not a usable plan" in model.prompts[1][-1]["content"]
    # The cache must not answer a second attempt.
    assert [cache for _, cache in lab.answerer.asked] == [True, False, True]


@pytest.mark.parametrize("kind", BAD_PLANS)
async def test_a_plan_that_stays_bad_gives_way_to_a_plain_step(
    make_lab: MakeLab, kind: str
) -> None:
    lab = make_lab(BAD_PLANS[kind], answer="I can't compute that.")
    told = [event async for event in lab.manager.stream(ChatBody(message=QUESTION), "owner")]
    done = told[-1]
    assert isinstance(done, RunDone)
    assert [step.key for step in done.steps] == ["plan", "repair", "answer"]
    assert done.plan[0].tool is None
    assert done.answer == "I can't compute that."
    assert [event for event in told if isinstance(event, PlanMade)] == [PlanMade(plan=done.plan)]


async def test_a_plan_that_nobody_asked_for_never_runs(make_lab: MakeLab) -> None:
    other = json.dumps([{"tool": "echo", "args": {"text": "volcanoes"}}])
    lab = make_lab(other)
    result = await lab.ask("Please echo penguins")
    assert lab.tools.stats()["echo"].calls == 0
    assert result.plan[0].tool is None
    assert "volcanoes" in (result.steps[0].error or "")


async def test_an_error_of_a_tool_reaches_the_composer(make_lab: MakeLab) -> None:
    plan = json.dumps([{"tool": "echo", "args": {"text": "crash"}, "instruction": "Echo it."}])
    model = Model(plan, answer="That did not work.")
    result = await make_lab(model=model).ask("echo crash")
    assert result.answer == "That did not work."
    assert result.steps[1].error == "The echo crashed."
    assert "(echo): Error: The echo crashed." in model.prompts[-1][-1]["content"]


async def test_an_impossible_calculation_is_told(make_lab: MakeLab) -> None:
    plan = json.dumps([{"tool": "calculator", "args": {"expression": "5 / 0"}}])
    model = Model(plan)
    result = await make_lab(model=model).ask("5 divided by 0?")
    assert result.steps[1].error is not None
    assert "Error: " in model.prompts[-1][-1]["content"]


async def test_a_composer_that_swaps_digits_is_set_right(make_lab: MakeLab) -> None:
    lab = make_lab(PLAN, answer="The answer is 1657.")
    told = [event async for event in lab.manager.stream(ChatBody(message=QUESTION), "owner")]
    assert "".join(event.text for event in told if event.type == "token") == "The result is 1675."
    assert isinstance(told[-1], RunDone)
    assert told[-1].answer == "The result is 1675."


async def test_a_composer_without_words_still_gives_the_result(make_lab: MakeLab) -> None:
    lab = make_lab(PLAN, answer="<think>hm</think>")
    told = [event async for event in lab.manager.stream(ChatBody(message=QUESTION), "owner")]
    assert "".join(event.text for event in told if event.type == "token") == "1675"
    assert isinstance(told[-1], RunDone)
    assert told[-1].answer == "1675"


async def test_a_large_result_does_not_drown_the_request(make_lab: MakeLab) -> None:
    model = Model(json.dumps([{"tool": "echo", "args": {"text": "endless"}}]))
    result = await make_lab(model=model).ask("echo endless")
    assert len(str(result.steps[1].output)) == 35_000
    assert len(model.prompts[-1][-1]["content"]) < 7000
    assert "characters more" in model.prompts[-1][-1]["content"]


async def test_a_request_that_is_too_long_for_the_planner_is_answered_in_words(
    make_lab: MakeLab,
) -> None:
    overflow = json.dumps({"error": {"message": "too long", "code": "context_length_exceeded"}})
    lab = make_lab(Reply(status=400, message=overflow), answer="Short answer.")
    result = await lab.ask()
    assert (result.answer, keys(result)) == ("Short answer.", ["plan", "answer"])


async def test_an_engine_without_schemas_is_asked_without(make_lab: MakeLab) -> None:
    model = Model(PLAN)

    def plain(body: dict[str, Any]) -> Reply:
        if "response_format" in body:
            return Reply(status=400, message="response_format is not supported")
        return model(body)

    lab = make_lab(model=plain)
    for _ in range(2):
        assert "1675" in (await lab.ask()).answer
    forms = ["response_format" in request.options for request in lab.answerer.requests]
    # It is tried once, not in every turn.
    assert forms == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(500, None, EngineError), (503, "no_worker", NoWorkerError)],
)
async def test_a_model_that_fails_fails_the_run(
    make_lab: MakeLab, sqlite: Database, status: int, code: str | None, kind: type[LabError]
) -> None:
    message = json.dumps({"error": {"message": "it broke", "code": code}})
    lab = make_lab(Reply(status=status, message=message))
    with pytest.raises(kind, match="it broke"):
        await lab.ask(session_id="s")
    (run,) = await sqlite.read(runs.listing, tenant="owner")
    assert (run.status, run.error) == ("failed", "it broke")
    # The next turn of the session is not confused by it.
    later = make_lab(PLAN, model=Model(PLAN))
    assert "1675" in (await later.ask(session_id="s")).answer


async def test_an_answer_that_breaks_off_ends_with_an_error_event(make_lab: MakeLab) -> None:
    lab = make_lab(PLAN, answer=Reply("It's 1675 two three", fault="close", after=3))
    told = [event async for event in lab.manager.stream(ChatBody(message=QUESTION), "owner")]
    assert [event.type for event in told][-3:] == ["token", "token", "error"]
    assert told[-1].code == "engine_crashed"  # type: ignore[union-attr]


async def test_the_model_of_the_request_is_asked(make_lab: MakeLab) -> None:
    lab = make_lab(PLAN)
    await lab.ask(model="other", cache=False)
    assert {request.model for request in lab.answerer.requests} == {"other"}
    assert lab.answerer.asked == [("owner", False), ("owner", False)]
    with pytest.raises(ModelNotFoundError, match="lab-mini"):
        await lab.ask(model="missing")


async def test_cancelling_a_run_stops_the_generation(make_lab: MakeLab) -> None:
    lab = make_lab('[{"tool": null}]', answer=Reply("one two three", delay=30))
    handle = await lab.manager.start(ChatBody(message=QUESTION), "owner")
    async for event in handle.events():
        if event.type == "token":
            await lab.runs.cancel(handle.id, tenant="owner")
    assert lab.engine.cancelled == 1
    assert lab.engine.active == 0


async def test_a_repair_that_does_not_fit_gives_way_to_a_plain_step(make_lab: MakeLab) -> None:
    overflow = json.dumps({"error": {"message": "too long", "code": "context_length_exceeded"}})
    lab = make_lab("no plan", Reply(status=400, message=overflow), answer="Short answer.")
    result = await lab.ask()
    assert (result.answer, keys(result)) == ("Short answer.", ["plan", "repair", "answer"])


async def test_a_turn_that_goes_on_after_a_restart_waits_for_a_worker(make_lab: MakeLab) -> None:
    first = make_lab(Reply(PLAN, fault="hang"))
    handle = await first.manager.start(ChatBody(message=QUESTION), "owner")
    async with asyncio.timeout(20):
        while not first.engine.active:
            await asyncio.sleep(0.005)
    await first.runs.stop()
    nobody = json.dumps({"error": {"message": "no worker yet", "code": "no_worker"}})
    later = make_lab(Reply(status=503, message=nobody), PLAN)
    assert await later.runs.resume() == [handle.id]
    again = later.runs.find(handle.id, tenant="owner")
    assert again is not None
    assert (await again.result()).answer == ANSWER
    assert len(later.answerer.requests) == 3
