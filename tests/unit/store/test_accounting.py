"""Accounting rows: never waited for, bounded, and there in the end."""

import asyncio
from collections.abc import Awaitable, Callable

from llmlab.errors import EngineError
from llmlab.store import runs, steps
from llmlab.store.accounting import Accounting
from llmlab.store.database import Database
from llmlab.types import Usage


def record(accounting: Accounting, number: int = 1, **values: object) -> None:
    given = {"tenant": "owner", "model": "m", "seconds": 0.5}
    accounting.record(f"run_{number:05}", "chat.completions", **(given | values))  # type: ignore[arg-type]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_a_call_is_written_down_soon(database: Database) -> None:
    accounting = Accounting(database, interval=0.01)
    await accounting.start()
    record(accounting, node="worker-1", cache_hit=True, usage=Usage(3, 2, 1))

    async def written() -> bool:
        return await database.read(runs.count) == 1

    await until(written)
    (run,) = await database.read(runs.listing, tenant="owner")
    assert (run.id, run.status, run.node, run.cache_hit) == ("run_00001", "done", "worker-1", True)
    assert (run.usage, run.seconds, run.durable) == (Usage(3, 2, 1), 0.5, False)
    (task,) = await database.read(steps.tasks, tenant="owner")
    assert task.assignee == "worker-1"
    await accounting.stop()


async def test_what_waits_at_the_stop_is_written(database: Database) -> None:
    accounting = Accounting(database, interval=60)
    await accounting.start()
    for number in range(3000):
        record(accounting, number)
    record(accounting, 3000, error=EngineError("it broke"))
    await accounting.stop()
    assert await database.read(runs.count) == 3001
    failed = await database.read(runs.get, "run_03000")
    assert failed is not None
    assert (failed.status, failed.error_code, failed.error) == (
        "failed",
        "engine_error",
        "it broke",
    )


async def test_rows_beyond_the_capacity_are_dropped_and_counted(sqlite: Database) -> None:
    accounting = Accounting(sqlite, capacity=10, interval=60)
    for number in range(25):
        record(accounting, number)
    await accounting.flush()
    assert accounting.dropped == 15
    assert await sqlite.read(runs.count) == 10


async def test_old_rows_go_and_durable_runs_stay(database: Database) -> None:
    from tests.databases import new_run

    await database.write(runs.add, new_run("chat", created_at=1.0))
    accounting = Accounting(database, interval=0.01, keep=20)
    await accounting.start()
    for number in range(200):
        record(accounting, number, seconds=1000.0 - number)

    async def pruned() -> bool:
        return await database.read(runs.count) == 21

    await until(pruned)
    await accounting.stop()
    kept = await database.read(runs.listing, tenant="owner", durable=False, limit=100)
    assert [run.id for run in kept] == [f"run_{number:05}" for number in range(199, 179, -1)]
    assert await database.read(runs.get, "chat") is not None


async def test_a_store_that_refuses_costs_rows_and_nothing_else(sqlite: Database) -> None:
    accounting = Accounting(sqlite, interval=60)
    await accounting.start()
    record(accounting, 1)
    await accounting.flush()
    record(accounting, 1)
    await accounting.flush()
    assert accounting.dropped == 1
    record(accounting, 2)
    await accounting.stop()
    assert await sqlite.read(runs.count) == 2
