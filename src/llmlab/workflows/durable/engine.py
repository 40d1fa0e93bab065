"""The one scheduler of durable runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from llmlab.errors import (
    ConflictError,
    DeadlineError,
    LabError,
    NotFoundError,
    RunCancelledError,
    StoreError,
    UnavailableError,
)
from llmlab.events import Event, RunDone, RunFailed, RunStarted
from llmlab.log import get_logger
from llmlab.store import events, runs, steps
from llmlab.store.database import Database, Work
from llmlab.store.runs import Run, RunStatus
from llmlab.types import JsonObject, Usage, new_id
from llmlab.workflows.durable.context import RunContext
from llmlab.workflows.durable.log import EventLog

if TYPE_CHECKING:
    from llmlab.store.database import Connection

MAX_ATTEMPTS = 5
# Runs that were cut off are driven again a few at a time, so that new ones find room.
RESUMED_AT_ONCE = 4

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run succeeded.

    Attributes:
        done: The last event; it is stored as the run's output too.
        also: What is written in the same transaction.
    """

    done: RunDone
    also: Work | None = None


Drive: TypeAlias = Callable[[RunContext], Awaitable[Outcome]]


class RunHandle:
    """A run that is driven in this process; whoever holds it may leave, the run goes on."""

    def __init__(self, run: Run, past: list[Event]) -> None:
        self.run = run
        self.log = EventLog(past)
        self.cancelled = False
        self.driver: asyncio.Task[None] | None = None
        self._done: RunDone | None = None
        self._error: LabError | None = None

    @property
    def id(self) -> str:
        """The run's id."""
        return self.run.id

    def events(self) -> AsyncIterator[Event]:
        """Yield every event of the run, from the first, until it ends."""
        return self.log.follow()

    async def result(self) -> RunDone:
        """Wait for the run's end.

        Raises:
            LabError: The run failed.
        """
        await self.log.ended()
        if self._done is not None:
            return self._done
        raise self._error or UnavailableError("The lab is stopping.")

    def succeed(self, done: RunDone) -> None:
        """End the run with its result."""
        self._done = done
        self.log.append(done)
        self.log.close()

    def fail(self, error: LabError) -> None:
        """End the run with an error."""
        self._error = error
        self.log.append(RunFailed(run_id=self.id, message=error.message, code=error.code))
        self.log.close()


class RunEngine:
    """Starts, drives, resumes and stops durable runs.

    Args:
        database: Where runs, steps and events are recorded.
        deadline: Seconds that one drive of a run may take.
        capacity: Runs that may be driven at once.

    Attributes:
        database: The database.
    """

    def __init__(
        self, database: Database, *, deadline: float = 1800.0, capacity: int = 256
    ) -> None:
        self.database = database
        self._deadline = deadline
        self._capacity = capacity
        self._drives: dict[str, Drive] = {}
        self._live: dict[str, RunHandle] = {}
        self._resuming = asyncio.Semaphore(RESUMED_AT_ONCE)
        self._stopping = False

    def register(self, kind: str, drive: Drive) -> None:
        """Say how runs of a kind are driven.

        Raises:
            ConflictError: The kind is known already.
        """
        if kind in self._drives:
            raise ConflictError(f"Runs of the kind {kind!r} have a driver already.")
        self._drives[kind] = drive

    async def start(
        self,
        kind: str,
        input: JsonObject,  # noqa: A002 - the word of the design
        *,
        tenant: str,
        session_id: str | None = None,
        model: str | None = None,
        also: Callable[[Run], Work] | None = None,
    ) -> RunHandle:
        """Accept a run, commit it, and begin to drive it.

        Args:
            kind: How it is driven.
            input: What it works on.
            tenant: Whose run it is.
            session_id: The conversation that it belongs to.
            model: The model that was asked for.
            also: Gives what is written in the same transaction.

        Raises:
            UnavailableError: Too many runs are under way, or the lab is stopping.
            StoreError: It could not be written down, so it was not accepted.
        """
        self._refuse_when_stopping()
        if len(self._live) >= self._capacity:
            raise UnavailableError(
                f"{self._capacity} runs are under way; that is the limit. Try again soon."
            )
        run = Run(
            id=new_id("run"),
            kind=kind,
            tenant=tenant,
            session_id=session_id,
            model=model,
            input=input,
        )
        started = RunStarted(run_id=run.id, session_id=session_id)
        handle = RunHandle(run, [started])
        # It counts from here on, so that a crowd cannot slip in while the store is busy.
        self._live[run.id] = handle
        try:
            await self.database.write(_accept, run, started, also(run) if also else None)
            # It stays accepted, and is resumed at the next start.
            self._refuse_when_stopping()
        except BaseException:
            del self._live[run.id]
            raise
        self._drive(handle, RunContext(run, self.database, handle.log))
        return handle

    async def resume(self) -> list[str]:
        """Drive every run again that an earlier process has not finished; return their ids."""
        found = await self.database.read(runs.unfinished)
        mine = [run for run in found if run.id not in self._live and run.kind in self._drives]
        for run in mine:
            await self._resume(run)
        return [run.id for run in mine]

    def find(self, run_id: str, *, tenant: str) -> RunHandle | None:
        """Return a run that is driven now; None where there is none of this tenant's."""
        handle = self._live.get(run_id)
        return handle if handle and handle.run.tenant == tenant else None

    async def follow(self, run_id: str, *, tenant: str) -> AsyncIterator[Event]:
        """Yield the events of any run, those to come too while it is driven.

        Raises:
            NotFoundError: The tenant has no such run.
        """
        handle = self.find(run_id, tenant=tenant)
        if handle is not None:
            async for event in handle.events():
                yield event
            return
        if await self.database.read(runs.get, run_id, tenant=tenant) is None:
            raise NotFoundError(f"There is no run {run_id[:64]!r}.")
        for event in await self._past(run_id):
            yield event

    async def cancel(self, run_id: str, *, tenant: str) -> bool:
        """Stop a run for good; false where none of this id is driven."""
        handle = self.find(run_id, tenant=tenant)
        if handle is None or handle.driver is None:
            return False
        handle.cancelled = True
        handle.driver.cancel()
        await handle.log.ended()
        return True

    async def stop(self) -> None:
        """Stop driving; what is not finished is driven again by the next process."""
        self._stopping = True
        drivers = [handle.driver for handle in self._live.values() if handle.driver]
        for driver in drivers:
            driver.cancel()
        await asyncio.gather(*drivers, return_exceptions=True)

    def _refuse_when_stopping(self) -> None:
        if self._stopping:
            raise UnavailableError("The lab is stopping.")

    async def _resume(self, run: Run) -> None:
        if run.attempts >= MAX_ATTEMPTS:
            error = UnavailableError(f"The run was cut off {run.attempts} times; it is given up.")
            await self._write_end(run, "failed", error=error)
            return
        past = await self._past(run.id)
        recorded = await self.database.read(steps.of_run, run.id)
        await self.database.write(runs.resumed, run.id)
        again = await self.database.read(runs.get, run.id) or run
        handle = RunHandle(again, past)
        self._live[run.id] = handle
        context = RunContext(again, self.database, handle.log, recorded)
        self._drive(handle, context, self._resuming)

    async def _past(self, run_id: str) -> list[Event]:
        found: list[Event] = []
        while page := await self.database.read(events.after, run_id, len(found)):
            found += [stored.event for stored in page]
        return found

    def _drive(
        self, handle: RunHandle, context: RunContext, turn: asyncio.Semaphore | None = None
    ) -> None:
        drive = self._drives[handle.run.kind]

        async def driven() -> None:
            if turn is None:
                await self._driven(handle, context, drive)
            else:
                async with turn:
                    await self._driven(handle, context, drive)

        handle.driver = asyncio.create_task(driven(), name=f"run {handle.id}")
        # Not in the coroutine: one that is cancelled before its first step never runs.
        handle.driver.add_done_callback(lambda _: self._ended(handle))

    def _ended(self, handle: RunHandle) -> None:
        self._live.pop(handle.id, None)
        if not handle.log.closed:
            handle.fail(_stopped())

    async def _driven(self, handle: RunHandle, context: RunContext, drive: Drive) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                outcome = await drive(context)
            await self._write_end(handle.run, "done", outcome=outcome, usage=context.usage)
            self._live.pop(handle.id, None)
            handle.succeed(outcome.done)
        except asyncio.CancelledError:
            if not handle.cancelled:
                # The lab stops: the run stays unfinished in the store, and is resumed.
                return
            await self._fail(handle, "cancelled", RunCancelledError("The run was cancelled."))
        except LabError as error:
            await self._fail(handle, "failed", error, context.usage)
        except TimeoutError:
            late = DeadlineError(f"The run did not finish within {self._deadline:g} seconds.")
            await self._fail(handle, "failed", late, context.usage)
        except Exception:
            logger.exception("Run %s failed.", handle.id)
            broken = LabError("The run failed by a fault of the lab; its log says more.")
            await self._fail(handle, "failed", broken, context.usage)

    async def _fail(
        self, handle: RunHandle, status: RunStatus, error: LabError, usage: Usage | None = None
    ) -> None:
        try:
            await self._write_end(handle.run, status, error=error, usage=usage)
        except StoreError:
            logger.exception("The end of %s was not written; it will be resumed.", handle.id)
        # Before anybody who waits can ask for it again.
        self._live.pop(handle.id, None)
        handle.fail(error)

    async def _write_end(
        self,
        run: Run,
        status: RunStatus,
        *,
        outcome: Outcome | None = None,
        error: LabError | None = None,
        usage: Usage | None = None,
    ) -> None:
        await self.database.write(_end, run, status, outcome=outcome, error=error, usage=usage)


def _stopped() -> LabError:
    return UnavailableError("The lab is stopping; it goes on with this run at its next start.")


def _accept(connection: Connection, run: Run, started: RunStarted, also: Work | None) -> None:
    runs.add(connection, run)
    events.add(connection, run.id, started)
    if also is not None:
        also(connection)


def _end(
    connection: Connection,
    run: Run,
    status: RunStatus,
    *,
    outcome: Outcome | None,
    error: LabError | None,
    usage: Usage | None,
) -> None:
    ended = runs.finish(
        connection,
        run.id,
        status=status,
        seconds=round(time.time() - run.created_at, 6),
        output=outcome.done.model_dump(mode="json") if outcome else None,
        error_code=error.code if error else None,
        error=error.message if error else None,
        usage=usage,
    )
    if not ended:
        return
    steps.close(connection, run.id)
    last: Event | None = outcome.done if outcome else None
    if error is not None:
        last = RunFailed(run_id=run.id, message=error.message, code=error.code)
    if last is not None:
        events.add(connection, run.id, last)
    if outcome is not None and outcome.also is not None:
        outcome.also(connection)
