"""Durable runs: accepted, recorded, followed, cancelled, stopped, resumed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from llmlab.errors import (
    ConflictError,
    DeadlineError,
    EngineError,
    LabError,
    NotFoundError,
    RunCancelledError,
    StoreError,
    ToolError,
    UnavailableError,
)
from llmlab.events import Event, PlanMade, RunDone
from llmlab.store import events, runs, sessions, steps
from llmlab.store.database import Database
from llmlab.types import JsonValue, Usage
from llmlab.workflows.durable.context import RunContext, StepKind, StepOutcome
from llmlab.workflows.durable.engine import Outcome, RunEngine, RunHandle


@pytest.fixture
async def engine(sqlite: Database) -> AsyncIterator[RunEngine]:
    made = RunEngine(sqlite)
    yield made
    await made.stop()


async def work(value: JsonValue = None, **outcome: Any) -> StepOutcome:
    return StepOutcome(value, **outcome)


def ended(context: RunContext, answer: str = "") -> Outcome:
    return Outcome(RunDone(run_id=context.run.id, answer=answer, steps=context.records()))


class Effects:
    """Counts what steps do; one of them waits until it is let go."""

    def __init__(self, *held: str) -> None:
        self.done: list[str] = []
        self.reached: dict[str, asyncio.Event] = {key: asyncio.Event() for key in held}
        self.go: dict[str, asyncio.Event] = {key: asyncio.Event() for key in held}

    async def __call__(self, key: str) -> StepOutcome:
        if key in self.go:
            self.reached[key].set()
            await self.go[key].wait()
        self.done.append(key)
        return StepOutcome(f"result of {key}", "here", usage=Usage(1, 2))


def three_steps(effects: Effects, kind: StepKind = "tool") -> Callable[..., Awaitable[Outcome]]:
    async def drive(context: RunContext) -> Outcome:
        outputs = [
            (await context.step(key, kind, partial(effects, key), tool="t")).output
            for key in ("a", "b", "c")
        ]
        context.token("all ")
        context.token("done")
        return ended(context, str(outputs[-1]))

    return drive


async def collect(stream: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in stream]


async def start(engine: RunEngine, **values: Any) -> RunHandle:
    return await engine.start(**({"kind": "k", "input": {"x": 1}, "tenant": "owner"} | values))


async def test_a_run_is_committed_before_it_is_driven(engine: RunEngine) -> None:
    found: list[Any] = []

    async def drive(context: RunContext) -> Outcome:
        found.append(await engine.database.read(runs.get, context.run.id))
        return ended(context)

    engine.register("k", drive)
    handle = await start(engine, model="m", session_id="s")
    await handle.result()
    assert (found[0].input, found[0].status, found[0].model) == ({"x": 1}, "running", "m")


async def test_steps_events_and_the_end_are_recorded(engine: RunEngine) -> None:
    engine.register("k", three_steps(Effects()))
    handle = await start(engine)
    told = await collect(handle.events())
    done = await handle.result()
    assert done.answer == "result of c"
    assert [step.key for step in done.steps] == ["a", "b", "c"]
    kinds = ["run", "step", "step", "step", "token", "token", "done"]
    assert [event.type for event in told] == kinds
    stored = await engine.database.read(events.after, handle.id)
    assert [event.event for event in stored] == [event for event in told if event.type != "token"]
    assert [event.number for event in stored] == [1, 2, 3, 4, 5]
    run = await engine.database.read(runs.get, handle.id)
    assert run is not None
    assert (run.status, run.usage) == ("done", Usage(3, 6))
    assert run.output == done.model_dump(mode="json")
    recorded = await engine.database.read(steps.of_run, handle.id)
    assert [(step.key, step.status, step.output) for step in recorded] == [
        (key, "done", f"result of {key}") for key in "abc"
    ]


async def test_a_step_is_in_the_store_before_the_next_begins(engine: RunEngine) -> None:
    seen: list[list[str]] = []

    async def look(run_id: str) -> StepOutcome:
        found = await engine.database.read(steps.of_run, run_id)
        seen.append([step.key for step in found])
        return StepOutcome()

    async def drive(context: RunContext) -> Outcome:
        for key in ("a", "b", "c"):
            await context.step(key, "tool", partial(look, context.run.id))
        return ended(context)

    engine.register("k", drive)
    await (await start(engine)).result()
    assert seen == [[], ["a"], ["a", "b"]]


async def test_events_of_a_step_are_stored_with_it(engine: RunEngine) -> None:
    async def drive(context: RunContext) -> Outcome:
        await context.step("plan", "plan", lambda: work(events=(PlanMade(plan=[]),)))
        return ended(context)

    engine.register("k", drive)
    told = await collect((await start(engine)).events())
    assert [event.type for event in told] == ["run", "plan", "step", "done"]


async def test_a_slow_step_shows_while_it_runs(engine: RunEngine) -> None:
    effects = Effects("b")
    engine.register("k", three_steps(effects))
    handle = await start(engine)
    async with asyncio.timeout(10):
        while True:
            tasks = await engine.database.read(steps.tasks, tenant="owner")
            if "running" in {task.status for task in tasks}:
                break
            await asyncio.sleep(0.01)
    assert [(task.key, task.status) for task in tasks] == [("b", "running"), ("a", "done")]
    effects.go["b"].set()
    await handle.result()
    tasks = await engine.database.read(steps.tasks, tenant="owner")
    assert {task.status for task in tasks} == {"done"}


async def test_who_comes_late_sees_everything(engine: RunEngine) -> None:
    effects = Effects("c")
    engine.register("k", three_steps(effects))
    handle = await start(engine)
    early = asyncio.create_task(collect(handle.events()))
    await effects.reached["c"].wait()
    late = asyncio.create_task(collect(engine.follow(handle.id, tenant="owner")))
    effects.go["c"].set()
    assert await early == await late
    after = await collect(engine.follow(handle.id, tenant="owner"))
    assert [event.type for event in after] == ["run", "step", "step", "step", "done"]


async def test_the_run_goes_on_when_the_client_leaves(engine: RunEngine) -> None:
    effects = Effects("b")
    engine.register("k", three_steps(effects))
    handle = await start(engine)
    client = asyncio.create_task(handle.result())
    watcher = asyncio.create_task(collect(handle.events()))
    await effects.reached["b"].wait()
    client.cancel()
    watcher.cancel()
    effects.go["b"].set()
    assert (await handle.result()).answer == "result of c"
    assert effects.done == ["a", "b", "c"]


async def test_a_run_of_another_tenant_is_not_there(engine: RunEngine) -> None:
    effects = Effects("a")
    engine.register("k", three_steps(effects))
    handle = await start(engine)
    assert engine.find(handle.id, tenant="other") is None
    assert await engine.cancel(handle.id, tenant="other") is False
    with pytest.raises(NotFoundError):
        await collect(engine.follow(handle.id, tenant="other"))
    effects.go["a"].set()
    await handle.result()
    with pytest.raises(NotFoundError):
        await collect(engine.follow(handle.id, tenant="other"))


@pytest.mark.parametrize(
    ("raised", "code"),
    [(EngineError("it broke"), "engine_error"), (RuntimeError("secret"), "internal_error")],
)
async def test_a_run_that_fails_says_so(engine: RunEngine, raised: Exception, code: str) -> None:
    async def fail() -> StepOutcome:
        raise raised

    async def drive(context: RunContext) -> Outcome:
        await context.step("a", "model", fail)
        return ended(context)

    engine.register("k", drive)
    handle = await start(engine)
    with pytest.raises(LabError) as caught:
        await handle.result()
    assert caught.value.code == code
    assert "secret" not in caught.value.message
    told = await collect(engine.follow(handle.id, tenant="owner"))
    assert [event.type for event in told] == ["run", "error"]
    run = await engine.database.read(runs.get, handle.id)
    assert run is not None
    assert (run.status, run.error_code) == ("failed", code)


async def test_an_error_that_a_step_reports_does_not_end_the_run(engine: RunEngine) -> None:
    async def drive(context: RunContext) -> Outcome:
        step = await context.step("a", "tool", lambda: work("Error: no", error=ToolError("no")))
        assert step.error == "no"
        return ended(context)

    engine.register("k", drive)
    done = await (await start(engine)).result()
    assert done.steps[0].error == "no"


async def test_a_cancelled_run_stays_cancelled(engine: RunEngine) -> None:
    effects = Effects("b")
    engine.register("k", three_steps(effects))
    handle = await start(engine)
    await effects.reached["b"].wait()
    assert await engine.cancel(handle.id, tenant="owner") is True
    with pytest.raises(RunCancelledError):
        await handle.result()
    assert await engine.cancel(handle.id, tenant="owner") is False
    run = await engine.database.read(runs.get, handle.id)
    assert run is not None
    assert run.status == "cancelled"
    assert await engine.resume() == []
    tasks = await engine.database.read(steps.tasks, tenant="owner")
    assert "running" not in {task.status for task in tasks}


async def test_a_run_has_a_deadline(sqlite: Database) -> None:
    engine = RunEngine(sqlite, deadline=0.05)
    engine.register("k", three_steps(Effects("b")))
    with pytest.raises(DeadlineError):
        await (await start(engine)).result()


async def test_too_many_runs_at_once_are_refused(sqlite: Database) -> None:
    engine = RunEngine(sqlite, capacity=3)
    effects = Effects("a")
    engine.register("k", three_steps(effects))
    found = await asyncio.gather(*(start(engine) for _ in range(5)), return_exceptions=True)
    handles = [handle for handle in found if isinstance(handle, RunHandle)]
    assert [type(error) for error in found].count(UnavailableError) == 2
    effects.go["a"].set()
    for handle in handles:
        await handle.result()
    await (await start(engine)).result()
    await engine.stop()
    with pytest.raises(UnavailableError):
        await start(engine)


async def test_a_run_that_cannot_be_written_is_not_accepted(sqlite: Database) -> None:
    engine = RunEngine(sqlite, capacity=1)
    effects = Effects()
    engine.register("k", three_steps(effects))
    await sqlite.close()
    with pytest.raises(StoreError):
        await start(engine)
    await sqlite.open()
    await (await start(engine)).result()
    assert effects.done == ["a", "b", "c"]


async def test_what_a_stop_cuts_off_the_next_process_finishes(sqlite: Database) -> None:
    first, effects = RunEngine(sqlite), Effects("c")
    first.register("k", three_steps(effects))
    handle = await start(first)
    client = asyncio.create_task(handle.result())
    await effects.reached["c"].wait()
    await first.stop()
    with pytest.raises(UnavailableError, match="goes on with this run at its next start"):
        await client

    second, later = RunEngine(sqlite), Effects()
    second.register("k", three_steps(later))
    assert await second.resume() == [handle.id]
    again = second.find(handle.id, tenant="owner")
    assert again is not None
    assert (await again.result()).answer == "result of c"
    assert effects.done + later.done == ["a", "b", "c"]
    stored = await sqlite.read(events.after, handle.id)
    assert [event.number for event in stored] == [1, 2, 3, 4, 5]
    assert [event.event.type for event in stored] == ["run", "step", "step", "step", "done"]
    run = await sqlite.read(runs.get, handle.id)
    assert run is not None
    assert run.attempts == 2
    assert await second.resume() == []
    await second.stop()


async def test_who_follows_a_resumed_run_sees_what_was_before(sqlite: Database) -> None:
    first, effects = RunEngine(sqlite), Effects("c")
    first.register("k", three_steps(effects))
    handle = await start(first)
    await effects.reached["c"].wait()
    await first.stop()
    second = RunEngine(sqlite)
    second.register("k", three_steps(Effects()))
    await second.resume()
    told = await collect(second.follow(handle.id, tenant="owner"))
    kinds = ["run", "step", "step", "step", "token", "token", "done"]
    assert [event.type for event in told] == kinds
    await second.stop()


async def test_a_run_that_is_cut_off_again_and_again_is_given_up(sqlite: Database) -> None:
    for _ in range(5):
        engine, effects = RunEngine(sqlite), Effects("a")
        engine.register("k", three_steps(effects))
        if not await engine.resume():
            await start(engine)
        await effects.reached["a"].wait()
        await engine.stop()
    engine = RunEngine(sqlite)
    engine.register("k", three_steps(Effects()))
    await engine.resume()
    assert await sqlite.read(runs.unfinished) == []
    (run,) = await sqlite.read(runs.listing, tenant="owner")
    assert (run.status, run.attempts) == ("failed", 5)
    assert "cut off 5 times" in (run.error or "")


async def test_a_workflow_that_changed_is_noticed(sqlite: Database) -> None:
    first, effects = RunEngine(sqlite), Effects("b")
    first.register("k", three_steps(effects, "tool"))
    handle = await start(first)
    await effects.reached["b"].wait()
    await first.stop()
    second, later = RunEngine(sqlite), Effects()
    second.register("k", three_steps(later, "model"))
    await second.resume()
    again = second.find(handle.id, tenant="owner")
    assert again is not None
    with pytest.raises(ConflictError, match="recorded as tool"):
        await again.result()
    assert later.done == []


async def test_runs_of_an_unknown_kind_wait_for_who_knows_them(sqlite: Database) -> None:
    await RunEngine(sqlite).database.write(runs.add, runs.Run(id="r", kind="future", tenant="t"))
    engine = RunEngine(sqlite)
    assert await engine.resume() == []
    assert len(await sqlite.read(runs.unfinished)) == 1


async def test_many_cut_off_runs_are_all_finished(sqlite: Database) -> None:
    first, effects = RunEngine(sqlite), Effects("a")
    first.register("k", three_steps(effects))
    for _ in range(20):
        await start(first)
    await effects.reached["a"].wait()
    await first.stop()
    second, later = RunEngine(sqlite), Effects()
    second.register("k", three_steps(later))
    ids = await second.resume()
    handles = [second.find(run_id, tenant="owner") for run_id in ids]
    await asyncio.gather(*(handle.result() for handle in handles if handle))
    assert sorted(later.done) == sorted("abc" * 20)
    await second.stop()


async def test_what_belongs_to_the_end_is_written_with_it(engine: RunEngine) -> None:
    def say(role: str, run: runs.Run) -> Any:
        given = {"tenant": "owner", "session_id": "s", "run_id": run.id}
        return partial(sessions.say, role=role, content=role, **given)

    async def drive(context: RunContext) -> Outcome:
        return Outcome(ended(context).done, say("assistant", context.run))

    engine.register("k", drive)
    handle = await start(engine, also=partial(say, "user"))
    await handle.result()
    said = await engine.database.read(sessions.transcript, "s", tenant="owner")
    assert [message.role for message in said] == ["user", "assistant"]


async def test_an_end_that_cannot_be_written_leaves_the_run_to_be_resumed(
    sqlite: Database, caplog: pytest.LogCaptureFixture
) -> None:
    engine, effects = RunEngine(sqlite), Effects("b")
    engine.register("k", three_steps(effects))
    handle = await start(engine)
    await effects.reached["b"].wait()
    await sqlite.close()
    effects.go["b"].set()
    with pytest.raises(StoreError):
        await handle.result()
    assert "will be resumed" in caplog.text
    await sqlite.open()
    assert [run.id for run in await sqlite.read(runs.unfinished)] == [handle.id]


def test_a_kind_has_one_driver(sqlite: Database) -> None:
    engine = RunEngine(sqlite)
    engine.register("k", three_steps(Effects()))
    with pytest.raises(ConflictError):
        engine.register("k", three_steps(Effects()))


async def test_a_run_that_is_accepted_while_the_lab_stops_is_finished_later(
    sqlite: Database,
) -> None:
    engine = RunEngine(sqlite)
    engine.register("k", three_steps(Effects()))
    starting = asyncio.create_task(start(engine))
    await asyncio.sleep(0)
    await engine.stop()
    with pytest.raises(UnavailableError):
        await starting
    assert len(await sqlite.read(runs.unfinished)) == 1
