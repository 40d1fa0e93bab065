"""What the chat graph works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from llmlab.events import PlannedStep
from llmlab.tools.registry import ToolRegistry
from llmlab.workflows.chat.asker import Asker
from llmlab.workflows.chat.tool import ToolDescription
from llmlab.workflows.durable.context import RunContext

PLAIN_INSTRUCTION = "Answer the user."


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step gave, as the next ones read it; ``output`` is text."""

    instruction: str
    tool: str | None
    output: str

    def triple(self) -> tuple[str, str | None, str]:
        """Return it as the prompts take it."""
        return self.instruction, self.tool, self.output


class AgentState(TypedDict):
    """State of one turn: what the planner decided, what the steps gave, what was done.

    Attributes:
        plan: The checked plan.
        results: What its steps gave so far.
        trace: Keys of the recorded steps, in order.
        answer: The answer, once there is one.
    """

    plan: list[PlannedStep]
    results: list[StepResult]
    trace: list[str]
    answer: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What stays the same during a turn.

    Attributes:
        run: The durable run that records it.
        message: The user's words.
        history: Earlier turns as (user, assistant), oldest first.
        offered: The tools that the planner is told of.
        tools: The tools that run.
        asker: The way to the model.
        node: Name of the node that runs the tools.
        dry_run: Whether the plan is all that is wanted.
    """

    run: RunContext
    message: str
    history: list[tuple[str, str]]
    offered: list[ToolDescription]
    tools: ToolRegistry
    asker: Asker
    node: str
    dry_run: bool


def plain_plan() -> list[PlannedStep]:
    """Return the plan that needs no planner: answer with words alone."""
    return [PlannedStep(instruction=PLAIN_INSTRUCTION)]
