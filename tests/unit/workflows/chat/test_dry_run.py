"""Plans that are only shown, with the lab's tools or with those of the request."""

import json
from typing import Any

import pytest
from tests.chatting import PLAN, QUESTION, STEP, MakeLab, Model, keys

from llmlab.errors import InvalidRequestError
from llmlab.protocol.lab import ChatBody
from llmlab.store import runs, sessions
from llmlab.store.database import Database


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
