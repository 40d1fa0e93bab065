"""The tools of a process: registered at run time, checked, run with a deadline, counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llmlab.errors import ConflictError, DeadlineError, LabError, ToolError, ToolNotFoundError
from llmlab.protocol.lab import ToolResult
from llmlab.tools.base import Tool
from llmlab.types import JsonObject, JsonValue

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

# A complaint quotes what it complains about, and that may be a megabyte.
_LONGEST_COMPLAINT = 300


@dataclass(frozen=True, slots=True)
class ToolStats:
    """How a tool was used; seconds of wall-clock time over all calls."""

    calls: int = 0
    errors: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Entry:
    tool: Tool
    stats: ToolStats = field(default_factory=ToolStats)
    input: Validator | None = None
    output: Validator | None = None


class ToolRegistry:
    """Knows tools by name.

    Args:
        tools: The tools to begin with.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._entries: dict[str, _Entry] = {}
        for tool in tools:
            self.register(tool)

    def register(self, tool: Tool) -> None:
        """Add a tool.

        Raises:
            ConflictError: The name is taken.
        """
        if tool.name in self._entries:
            raise ConflictError(f"There is a tool named {tool.name!r} already.")
        self._entries[tool.name] = _Entry(tool)

    def unregister(self, name: str) -> None:
        """Remove a tool; calls that run go on.

        Raises:
            ToolNotFoundError: There is no such tool.
        """
        self._entry(name)
        del self._entries[name]

    def get(self, name: str) -> Tool:
        """Return a tool.

        Raises:
            ToolNotFoundError: There is no such tool; the message lists the ones that exist.
        """
        return self._entry(name).tool

    def names(self) -> list[str]:
        """Return the names of all tools, sorted."""
        return sorted(self._entries)

    def tools(self) -> list[Tool]:
        """Return all tools, sorted by name."""
        return [self._entries[name].tool for name in self.names()]

    def by_capability(self, capability: str) -> list[Tool]:
        """Return the tools that have a capability, sorted by name."""
        return [tool for tool in self.tools() if capability in tool.capabilities]

    def stats(self) -> dict[str, ToolStats]:
        """Return how each tool was used."""
        return {name: self._entries[name].stats for name in self.names()}

    async def run(self, name: str, arguments: JsonObject, deadline: float = 30.0) -> ToolResult:
        """Run a tool on checked arguments and check what it gives.

        Args:
            name: The tool.
            arguments: What it is called with.
            deadline: Seconds that it may take.

        Raises:
            ToolNotFoundError: There is no such tool.
            ToolError: The arguments or the output do not fit the schema, or the tool failed.
            DeadlineError: It took too long; it was cancelled.
        """
        entry = self._entry(name)
        started = time.perf_counter()
        failed = 1
        try:
            output = await _execute(entry, arguments, deadline)
            failed = 0
        finally:
            seconds = time.perf_counter() - started
            known = entry.stats
            entry.stats = replace(
                known,
                calls=known.calls + 1,
                errors=known.errors + failed,
                seconds=known.seconds + seconds,
            )
        return ToolResult(tool=name, output=output, seconds=round(seconds, 6))

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            known = ", ".join(self.names()) or "none"
            raise ToolNotFoundError(f"There is no tool {name[:100]!r}. Tools: {known}.")
        return entry


async def _execute(entry: _Entry, arguments: JsonObject, deadline: float) -> JsonValue:
    tool = entry.tool
    entry.input = entry.input or _validator(tool.input_schema)
    _check(entry.input, arguments, f"The tool {tool.name} refused its arguments")
    try:
        async with asyncio.timeout(deadline):
            output = await tool.execute(**arguments)
    except LabError:
        raise
    except TimeoutError as error:
        raise DeadlineError(
            f"The tool {tool.name} did not finish within {deadline:g} seconds."
        ) from error
    except Exception as error:
        raise ToolError(f"The tool {tool.name} failed: {type(error).__name__}.") from error
    entry.output = entry.output or _validator(tool.output_schema)
    _check(entry.output, output, f"The tool {tool.name} gave something that it should not")
    return output


def _validator(schema: JsonObject) -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema)


def _check(validator: Validator, value: JsonValue, what: str) -> None:
    from jsonschema.exceptions import best_match

    problem = best_match(validator.iter_errors(value))
    if problem is None:
        return
    param = ".".join(str(part) for part in problem.absolute_path) or None
    complaint = problem.message
    if len(complaint) > _LONGEST_COMPLAINT:
        complaint = f"{complaint[:100]} ... {complaint[-100:]}"
    raise ToolError(f"{what}: {complaint}.", param=param)
