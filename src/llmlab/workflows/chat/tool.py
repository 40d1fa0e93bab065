"""What the planner knows of a tool."""

from __future__ import annotations

from dataclasses import dataclass

from llmlab.workflows.prompting_text import JsonDict


@dataclass(frozen=True)
class ToolDescription:
    """What a planner is told about a tool.

    Attributes:
        name: The name by which a plan calls it.
        description: One sentence on what it does.
        parameters: JSON schema (type object) of its arguments.
    """

    name: str
    description: str
    parameters: JsonDict
