"""Everything that is streamed to a client or stored with a run: one tagged union.

A run's events are numbered from 1 without a gap. ``plan``, ``step``, ``token``, ``done`` and
``error`` are what a chat shows; a ``token`` is streamed and never stored.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from llmlab.types import JsonObject, JsonValue


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class PlannedStep(_Event):
    """One step of a plan: a tool with arguments, or (``tool`` null) an instruction."""

    tool: str | None = None
    args: JsonObject = Field(default_factory=dict)
    instruction: str = ""


class StepRecord(_Event):
    """One finished unit of work, and who did it.

    ``seconds`` is wall-clock time; ``cache_hit`` tells that the answer was not generated.
    """

    key: str
    kind: Literal["plan", "tool", "model", "answer"]
    tool: str | None = None
    node: str | None = None
    cache_hit: bool = False
    seconds: float = 0.0
    output: JsonValue = None
    error: str | None = None


class UsageTotals(_Event):
    """Token counts summed over a run, under their OpenAI names."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class RunStarted(_Event):
    """The run was accepted and is in the store."""

    type: Literal["run"] = "run"
    run_id: str
    session_id: str | None = None


class PlanMade(_Event):
    """The planner's plan, checked."""

    type: Literal["plan"] = "plan"
    plan: list[PlannedStep]


class StepFinished(_Event):
    """A step ended; its record is in the store."""

    type: Literal["step"] = "step"
    step: StepRecord


class TokenMade(_Event):
    """A piece of the final answer."""

    type: Literal["token"] = "token"
    text: str


class RunDone(_Event):
    """The run succeeded."""

    type: Literal["done"] = "done"
    run_id: str
    session_id: str | None = None
    answer: str
    plan: list[PlannedStep] = Field(default_factory=list)
    steps: list[StepRecord] = Field(default_factory=list)
    usage: UsageTotals = Field(default_factory=UsageTotals)


class RunFailed(_Event):
    """The run ended with an error; the fields are those of the error body."""

    type: Literal["error"] = "error"
    run_id: str | None = None
    message: str
    code: str


Event = Annotated[
    RunStarted | PlanMade | StepFinished | TokenMade | RunDone | RunFailed,
    Field(discriminator="type"),
]
event_adapter: TypeAdapter[Event] = TypeAdapter(Event)
