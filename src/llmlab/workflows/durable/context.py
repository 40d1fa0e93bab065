"""What a run's code sees of the run: its input, its steps, its tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from llmlab.errors import ConflictError, LabError
from llmlab.events import Event, StepFinished, StepRecord, TokenMade, UsageTotals
from llmlab.store import events, steps
from llmlab.store.database import Database
from llmlab.store.runs import Run
from llmlab.store.steps import Step
from llmlab.types import JsonObject, JsonValue, Usage
from llmlab.workflows.durable.log import EventLog

if TYPE_CHECKING:
    from llmlab.store.database import Connection

StepKind: TypeAlias = Literal["plan", "tool", "model", "answer"]

# A step that is quicker is written once, when it is done; a slower one shows while it runs.
SLOW = 0.05


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a step came to.

    Attributes:
        output: Its result.
        node: Who did it.
        cache_hit: Whether the response cache answered.
        usage: Token counts.
        error: What went wrong, where the run goes on with that.
        events: What is stored, and told, with the step's record.
    """

    output: JsonValue = None
    node: str | None = None
    cache_hit: bool = False
    usage: Usage = field(default_factory=Usage)
    error: LabError | None = None
    events: tuple[Event, ...] = ()


Action: TypeAlias = Callable[[], Awaitable[StepOutcome]]


class RunContext:
    """One run while it is driven.

    Args:
        run: The run as it was accepted.
        database: Where its steps are recorded.
        log: Where its events are shown.
        recorded: The steps that an earlier drive has recorded.

    Attributes:
        run: The run.
        steps: The finished steps, in the order in which they finished.
    """

    def __init__(
        self, run: Run, database: Database, log: EventLog, recorded: Iterable[Step] = ()
    ) -> None:
        self.run = run
        self.steps: list[Step] = []
        self._database = database
        self._log = log
        self._recorded = {step.key: step for step in recorded if step.status == "done"}

    @property
    def resumed(self) -> bool:
        """Whether the run was driven before."""
        return self.run.attempts > 1

    @property
    def input(self) -> JsonObject:
        """What the run was started with."""
        return self.run.input or {}

    @property
    def usage(self) -> Usage:
        """Token counts of all finished steps."""
        return sum((step.usage for step in self.steps), Usage())

    def records(self) -> list[StepRecord]:
        """Return the finished steps as they are shown."""
        return [record_of(step) for step in self.steps]

    async def step(
        self, key: str, kind: StepKind, action: Action, *, tool: str | None = None
    ) -> Step:
        """Do a unit of work, or answer from its record.

        The record is committed before this returns, and so before anything that depends on it.

        Args:
            key: Names the step in the run; the same one each time the run is driven.
            kind: What it is.
            action: Does it; at least once, never again once it is recorded.
            tool: The tool that does it.

        Raises:
            ConflictError: The record under this key is of another step, so the workflow is not
                the one that the run was started with.
            LabError: The action failed; nothing was recorded as done.
        """
        step = self._recorded.get(key)
        if step is None:
            step = await self._do(key, kind, action, tool)
        elif (step.kind, step.tool) != (kind, tool):
            raise ConflictError(
                f"Step {key!r} of {self.run.id} is recorded as {step.kind} {step.tool or ''}, "
                f"but would be {kind} {tool or ''} now. Start a new run."
            )
        self.steps.append(step)
        return step

    def token(self, text: str) -> None:
        """Show a piece of the answer; it is not stored."""
        self._log.append(TokenMade(text=text))

    async def _do(self, key: str, kind: StepKind, action: Action, tool: str | None) -> Step:
        run_id, tenant, started = self.run.id, self.run.tenant, time.time()
        begun = time.perf_counter()

        def step_with(status: steps.StepStatus, outcome: StepOutcome) -> Step:
            error = outcome.error
            return Step(
                run_id=run_id,
                key=key,
                tenant=tenant,
                kind=kind,
                status=status,
                tool=tool,
                node=outcome.node,
                cache_hit=outcome.cache_hit,
                usage=outcome.usage,
                started_at=started,
                seconds=None if status == "running" else round(time.perf_counter() - begun, 6),
                output=outcome.output,
                error_code=error.code if error else None,
                error=error.message if error else None,
            )

        slow = asyncio.get_running_loop().call_later(
            SLOW, self._database.submit, steps.save, step_with("running", StepOutcome())
        )
        try:
            outcome = await action()
        except LabError as error:
            await self._database.write(steps.save, step_with("failed", StepOutcome(error=error)))
            raise
        finally:
            slow.cancel()
        step = step_with("done", outcome)
        told = [*outcome.events, StepFinished(step=record_of(step))]
        await self._database.write(_record, step, told)
        for event in told:
            self._log.append(event)
        return step


def _record(connection: Connection, step: Step, told: list[Event]) -> None:
    steps.save(connection, step)
    for event in told:
        events.add(connection, step.run_id, event)


def record_of(step: Step) -> StepRecord:
    """Return a stored step as it is shown."""
    return StepRecord(
        key=step.key,
        kind=step.kind,
        tool=step.tool,
        node=step.node,
        cache_hit=step.cache_hit,
        seconds=step.seconds or 0.0,
        output=step.output,
        error=step.error,
    )


def totals(usage: Usage) -> UsageTotals:
    """Return token counts as they are shown."""
    return UsageTotals(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
    )
