"""Chat turns with a scripted model: plans of every kind, tools, sessions, failures."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

import pytest
from tests.answering import EngineAnswerer

from llmlab.errors import (
    EngineError,
    InvalidRequestError,
    LabError,
    ModelNotFoundError,
    NoWorkerError,
    ToolError,
)
from llmlab.events import PlanMade, RunDone
from llmlab.protocol.lab import ChatBody, ChatResult
from llmlab.settings import Settings
from llmlab.store import events, runs, sessions, steps
from llmlab.store.database import Database
from llmlab.testing.engine import ScriptedEngine
from llmlab.testing.script import Reply
from llmlab.tools.base import Tool
from llmlab.tools.builtin.calculator import CalculatorTool
from llmlab.tools.registry import ToolRegistry
from llmlab.types import JsonObject, JsonValue, ToolCall
from llmlab.workflows.chat.manager import WorkflowManager
from llmlab.workflows.durable.engine import RunEngine

QUESTION = "What is 25 * 67?"
STEP = {"tool": "calculator", "args": {"expression": "25 * 67"}, "instruction": "Calculate."}
PLAN = json.dumps({"steps": [STEP]})
ANSWER = "The answer is 1675."


class EchoTool(Tool):
    """Says what it is told, or fails."""

    name: ClassVar[str] = "echo"
    description: ClassVar[str] = "Says a text."
    input_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    }
    output_schema: ClassVar[JsonObject] = {}

    async def execute(self, **kwargs: Any) -> JsonValue:
        if "crash" in kwargs["text"]:
            raise ToolError("The echo crashed.")
        return kwargs["text"] * (5000 if "endless" in kwargs["text"] else 1)


class Model:
    """A scripted model: plans for the planner, and for the rest what it was asked."""

    def __init__(self, *plans: Reply | str, answer: Reply | str = ANSWER) -> None:
        self.plans = [Reply(plan) if isinstance(plan, str) else plan for plan in plans]
        self.reply = Reply(answer) if isinstance(answer, str) else answer
        self.prompts: list[list[dict[str, Any]]] = []
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, body: dict[str, Any]) -> Reply:
        self.prompts.append(body["messages"])
        self.bodies.append(body)
        if "You plan" in body["messages"][0]["content"]:
            return self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        return self.reply


class Lab:
    """A manager over a scripted model."""

    def __init__(self, database: Database, model: Callable[[dict[str, Any]], Reply]) -> None:
        self.engine = ScriptedEngine(models=["lab-mini", "other"], reply_with=model)
        self.answerer = EngineAnswerer(self.engine)
        self.runs = RunEngine(database)
        self.tools = ToolRegistry([CalculatorTool(), EchoTool()])
        self.manager = WorkflowManager(
            self.runs, self.answerer, self.tools, Settings.from_dict({}), node="here"
        )

    async def ask(self, message: str = QUESTION, **fields: Any) -> ChatResult:
        return await self.manager.invoke(ChatBody(message=message, **fields), "owner")


MakeLab = Callable[..., Lab]


@pytest.fixture
async def make_lab(sqlite: Database) -> AsyncIterator[MakeLab]:
    made: list[Lab] = []

    def make(*plans: Reply | str, model: Any = None, answer: Reply | str = ANSWER) -> Lab:
        made.append(Lab(sqlite, model or Model(*plans, answer=answer)))
        return made[-1]

    yield make
    for lab in made:
        await lab.runs.stop()
        await lab.manager.close()


def keys(result: ChatResult) -> list[str]:
    return [step.key for step in result.steps]


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


async def test_a_dry_run_plans_and_runs_nothing(make_lab: MakeLab, sqlite: Database) -> None:
    lab = make_lab(PLAN)
    result = await lab.manager.plan(ChatBody(message=QUESTION), "owner")
    assert [step.model_dump() for step in result.plan] == [STEP]
    assert (result.answer, keys(result), result.session_id) == ("", ["plan"], None)
    assert lab.tools.stats()["calculator"].calls == 0
    assert await sqlite.read(sessions.listing, tenant="owner") == []
    run = await sqlite.read(runs.get, result.run_id, tenant="owner")
    assert run is not None
    assert run.status == "done"


WEATHER = {
    "name": "get_weather",
    "description": "Weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
    },
}


async def test_a_dry_run_plans_with_the_tools_of_the_request(make_lab: MakeLab) -> None:
    step = {"tool": "get_weather", "args": {"city": "Oslo", "unit": "celsius"}, "instruction": ""}
    model = Model(json.dumps({"steps": [step]}))
    result = await make_lab(model=model).ask("Weather in Oslo?", dry_run=True, tools=[WEATHER])
    assert [planned.model_dump() for planned in result.plan] == [step]
    asked = model.bodies[0]["messages"][0]["content"]
    assert '- get_weather: Weather of a city. Args: {city: string, unit?: "celsius"' in asked
    assert "calculator" not in asked


async def test_a_dry_run_without_any_tool_is_a_plain_step(make_lab: MakeLab) -> None:
    lab = make_lab(PLAN)
    result = await lab.ask(dry_run=True, tools=[])
    assert [step.tool for step in result.plan] == [None]
    assert lab.answerer.requests == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tools": [WEATHER]}, "dry_run"),
        ({"tools": [WEATHER, WEATHER], "dry_run": True}, "same name"),
        (
            {"tools": [{"name": "x", "parameters": {"properties": [1]}}], "dry_run": True},
            "not a JSON schema",
        ),
        (
            {"tools": [{"name": "x", "parameters": {"properties": {"a": 1}}}], "dry_run": True},
            "not a JSON schema",
        ),
        (
            {
                "tools": [{"name": "x", "parameters": {"properties": {}, "required": 3}}],
                "dry_run": True,
            },
            "not a JSON schema",
        ),
    ],
)
async def test_tools_that_make_no_sense_are_refused(
    make_lab: MakeLab, sqlite: Database, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message) as caught:
        await make_lab(PLAN).ask(**fields)
    assert caught.value.param == "tools"
    assert await sqlite.read(runs.count) == 0


@pytest.mark.parametrize(
    "schema", [True, {"type": 7}, {"enum": 3}, {"type": ["string", 3]}, {"type": {"a": 1}}]
)
async def test_odd_schemas_of_a_request_are_refused(make_lab: MakeLab, schema: Any) -> None:
    tool = {"name": "odd", "parameters": {"properties": {"a": schema, "b": {"type": "string"}}}}
    with pytest.raises(InvalidRequestError, match="parameters` of odd"):
        await make_lab(PLAN).ask("Oslo", dry_run=True, tools=[tool])


@pytest.mark.parametrize("schema", [{}, {"type": ["string", "null"]}, {"anyOf": [{}]}, {"$ref": 1}])
async def test_unusual_schemas_of_a_request_are_taken(make_lab: MakeLab, schema: Any) -> None:
    tool = {"name": "odd", "parameters": {"properties": {"a": schema, "b": {"type": "string"}}}}
    plan = json.dumps([{"tool": "odd", "args": {"a": "Oslo", "b": "Oslo"}}])
    result = await make_lab(plan).ask("Oslo", dry_run=True, tools=[tool])
    assert [step.tool for step in result.plan] == ["odd"]


async def test_sessions_keep_their_history(make_lab: MakeLab, sqlite: Database) -> None:
    model = Model(PLAN, json.dumps([STEP | {"args": {"expression": "1675 * 2"}}]))
    lab = make_lab(model=model)
    first = await lab.ask()
    assert first.session_id is not None
    second = await lab.ask("and times 2?", session_id=first.session_id)
    assert second.session_id == first.session_id
    assert second.steps[1].output == {"result": 3350}
    asked = model.prompts[2][-1]["content"]
    assert f"User: {QUESTION}\nAssistant: {ANSWER}" in asked
    assert [part["content"] for part in model.prompts[3][1:3]] == [QUESTION, ANSWER]
    said = await sqlite.read(sessions.transcript, first.session_id, tenant="owner")
    assert [message.content for message in said] == [
        QUESTION,
        ANSWER,
        "and times 2?",
        "The result is 3350.",
    ]


async def test_a_session_of_another_tenant_is_not_read(make_lab: MakeLab) -> None:
    model = Model('[{"tool": null, "instruction": "Answer."}]', answer="ok")
    lab = make_lab(model=model)
    await lab.ask("my secret is 4711", session_id="s")
    body = ChatBody(message="what is my secret?", session_id="s")
    await lab.manager.invoke(body, "other")
    assert "4711" not in json.dumps(model.prompts[2:])


async def test_a_long_history_is_shortened(make_lab: MakeLab) -> None:
    model = Model('[{"tool": null, "instruction": "Answer."}]', answer="ok " * 900)
    lab = make_lab(model=model)
    for number in range(6):
        await lab.ask(f"question {number}", session_id="s")
    asked = model.prompts[-1]
    assert sum(len(part["content"]) for part in asked) < 10_000
    assert "question 4" in json.dumps(asked)
    assert "question 1" not in json.dumps(asked)


async def test_what_does_not_fit_the_context_is_asked_with_less_history(make_lab: MakeLab) -> None:
    plain = '[{"tool": null, "instruction": "Answer."}]'

    def small(body: dict[str, Any]) -> Reply:
        if "question 0" in json.dumps(body["messages"]) and "question 2" in json.dumps(body):
            return Reply(status=400, message=overflow)
        return Reply(plain if "You plan" in body["messages"][0]["content"] else "fine")

    overflow = json.dumps({"error": {"message": "too long", "code": "context_length_exceeded"}})
    lab = make_lab(model=small)
    for number in range(3):
        result = await lab.ask(f"question {number}", session_id="s")
    assert result.answer == "fine"


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


async def test_a_client_that_leaves_does_not_stop_its_turn(
    make_lab: MakeLab, sqlite: Database
) -> None:
    lab = make_lab(PLAN, answer=Reply(ANSWER, delay=0.02))
    client = asyncio.create_task(lab.ask(session_id="s"))
    async with asyncio.timeout(20):
        while not lab.engine.active:
            await asyncio.sleep(0.005)
    client.cancel()
    async with asyncio.timeout(20):
        while await sqlite.read(runs.unfinished):
            await asyncio.sleep(0.01)
    said = await sqlite.read(sessions.transcript, "s", tenant="owner")
    assert [message.content for message in said] == [QUESTION, ANSWER]


async def test_many_turns_at_once_in_one_session(make_lab: MakeLab, sqlite: Database) -> None:
    lab = make_lab(PLAN)
    lab.manager.warm()
    results = await asyncio.gather(*(lab.ask(session_id="s") for _ in range(20)))
    assert all("1675" in result.answer for result in results)
    said = await sqlite.read(sessions.transcript, "s", tenant="owner")
    assert [message.number for message in said] == list(range(1, 41))


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
