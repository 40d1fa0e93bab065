"""What every tool that the lab ships must keep."""

from __future__ import annotations

import re

import pytest
from jsonschema import Draft202012Validator

from llmlab.errors import LabError
from llmlab.tools.base import Tool
from llmlab.tools.builtin import builtin_tools
from llmlab.tools.registry import ToolRegistry
from llmlab.types import JsonObject

GOOD_CALLS: dict[str, JsonObject] = {"calculator": {"expression": "25 * 67"}}

every_tool = pytest.mark.parametrize("tool", builtin_tools(), ids=lambda tool: tool.name)


@every_tool
def test_describes_itself(tool: Tool) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_-]{1,63}", tool.name)
    assert 10 < len(tool.description) < 300
    assert tool.capabilities


@every_tool
def test_schemas_are_schemas(tool: Tool) -> None:
    for schema in (tool.input_schema, tool.output_schema):
        Draft202012Validator.check_schema(schema)
    assert tool.input_schema["type"] == "object"
    # What is not described is refused: a model's slip must not pass silently.
    assert tool.input_schema["additionalProperties"] is False


@every_tool
async def test_a_good_call_works(tool: Tool) -> None:
    result = await ToolRegistry([tool]).run(tool.name, GOOD_CALLS[tool.name])
    assert result.tool == tool.name
    assert result.seconds < 30
    Draft202012Validator(tool.output_schema).validate(result.output)


@every_tool
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"nonsense": 1},
        {"expression": None},
        {"expression": ["1"]},
        {"expression": "1", "more": True},
        {"expression": "x" * 1_000_000},
    ],
    ids=range(6),
)
async def test_a_bad_call_is_refused(tool: Tool, arguments: JsonObject) -> None:
    registry = ToolRegistry([tool])
    with pytest.raises(LabError) as caught:
        await registry.run(tool.name, arguments)
    assert 400 <= caught.value.status < 500
    assert len(caught.value.message) < 1000
    assert registry.stats()[tool.name].errors == 1
