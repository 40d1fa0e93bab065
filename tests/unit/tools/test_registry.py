"""The registry checks what goes in and out, keeps deadlines and counts."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from llmlab.errors import ConflictError, DeadlineError, ToolError, ToolNotFoundError
from llmlab.tools.base import Tool
from llmlab.tools.builtin import builtin_tools
from llmlab.tools.registry import ToolRegistry
from llmlab.types import JsonObject, JsonValue


class EchoTool(Tool):
    name: ClassVar[str] = "echo"
    description: ClassVar[str] = "Say it again."
    capabilities: ClassVar[frozenset[str]] = frozenset({"text"})
    input_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    }
    output_schema: ClassVar[JsonObject] = {"type": "string"}

    def __init__(self, output: JsonValue = None) -> None:
        self.output = output

    async def execute(self, **kwargs: Any) -> JsonValue:
        match kwargs["text"]:
            case "hang":
                await asyncio.Event().wait()
            case "crash":
                raise RuntimeError("secret details")
            case "refuse":
                raise ToolError("no")
        return kwargs["text"] if self.output is None else self.output


async def test_runs_and_counts() -> None:
    registry = ToolRegistry([EchoTool()])
    result = await registry.run("echo", {"text": "hi"})
    assert (result.tool, result.output) == ("echo", "hi")
    with pytest.raises(ToolError, match="required"):
        await registry.run("echo", {})
    stats = registry.stats()["echo"]
    assert (stats.calls, stats.errors) == (2, 1)
    assert stats.seconds > 0


def test_registers_at_run_time_and_finds() -> None:
    registry = ToolRegistry(builtin_tools())
    registry.register(EchoTool())
    assert registry.names() == ["calculator", "echo"]
    assert [tool.name for tool in registry.by_capability("text")] == ["echo"]
    assert [tool.name for tool in registry.by_capability("arithmetic")] == ["calculator"]
    assert registry.by_capability("flying") == []
    with pytest.raises(ConflictError):
        registry.register(EchoTool())
    registry.unregister("echo")
    with pytest.raises(ToolNotFoundError, match="calculator"):
        registry.get("echo")
    with pytest.raises(ToolNotFoundError):
        registry.unregister("echo")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("hang", DeadlineError, "0.01 seconds"),
        ("crash", ToolError, "RuntimeError"),
        ("refuse", ToolError, "^no$"),
    ],
)
async def test_failures_are_typed(text: str, error: type[Exception], words: str) -> None:
    registry = ToolRegistry([EchoTool()])
    with pytest.raises(error, match=words) as caught:
        await registry.run("echo", {"text": text}, deadline=0.01)
    assert "secret" not in str(caught.value)


async def test_checks_the_output_too() -> None:
    registry = ToolRegistry([EchoTool(output=5)])
    with pytest.raises(ToolError, match="should not"):
        await registry.run("echo", {"text": "hi"})


async def test_wrong_type_names_the_parameter() -> None:
    registry = ToolRegistry([EchoTool()])
    with pytest.raises(ToolError) as caught:
        await registry.run("echo", {"text": 5})
    assert caught.value.param == "text"


async def test_unknown_tool() -> None:
    with pytest.raises(ToolNotFoundError, match="none"):
        await ToolRegistry().run("x" * 10_000, {})
