"""What a tool is: a named function with JSON schemas for what goes in and what comes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import orjson

from llmlab.types import JsonObject, JsonValue


class Tool(ABC):
    """Something that a plan can use beside models.

    Attributes:
        name: The name by which a plan calls it; letters, digits, ``_`` and ``-``.
        description: One or two sentences for the planner on what it does.
        capabilities: Words by which the registry finds it.
        input_schema: JSON schema (type object) of the arguments.
        output_schema: JSON schema of what :meth:`execute` returns.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    capabilities: ClassVar[frozenset[str]] = frozenset()
    input_schema: ClassVar[JsonObject]
    output_schema: ClassVar[JsonObject]

    @abstractmethod
    async def execute(self, **kwargs: Any) -> JsonValue:
        """Do the work; the arguments have been checked against ``input_schema``.

        Raises:
            ToolError: The arguments make no sense, or the work failed.
        """


def output_text(output: JsonValue) -> str:
    """Return a tool's output as a model should read it: the bare result where there is one."""
    if isinstance(output, dict) and output.keys() == {"result"}:
        output = output["result"]
    return output if isinstance(output, str) else orjson.dumps(output).decode()
