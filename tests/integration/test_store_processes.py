"""The store when processes die, and when the database's server does."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from tests.databases import new_run
from tests.postgres import Cluster, fresh_database

from llmlab.errors import StoreError
from llmlab.store import runs
from llmlab.store.database import Database

ROOT = Path(__file__).parents[2]

# Says the id of each run once its write has returned, and never stops by itself.
WRITER = """
import asyncio, sys
from llmlab.store import runs
from llmlab.store.database import Database
from tests.databases import new_run

async def main():
    database = Database(sys.argv[1])
    await database.open()
    for number in range(1_000_000):
        names = [f"{sys.argv[2]}_{number}_{part}" for part in range(5)]
        await asyncio.gather(*(database.write(runs.add, new_run(name)) for name in names))
        print(*names, flush=True)

asyncio.run(main())
"""


async def written_until_killed(url: str, name: str, count: int) -> set[str]:
    """Run a writer, kill it after some writes, and return what it said was written."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, url, name, cwd=ROOT, stdout=PIPE
    )
    assert process.stdout is not None
    said: set[str] = set()
    async with asyncio.timeout(60):
        while len(said) < count:
            said.update((await process.stdout.readline()).decode().split())
    process.kill()
    rest = await process.stdout.read()
    await process.wait()
    # The last line may be cut.
    return said | set(rest.decode().rpartition("\n")[0].split())


async def test_what_was_said_to_be_written_survives_a_kill(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    await database.open()
    # Two processes write at the same time, beside this one that reads.
    said = await asyncio.gather(
        written_until_killed(sqlite_url, "a", 100), written_until_killed(sqlite_url, "b", 100)
    )
    found = {run.id for run in await database.read(runs.unfinished)}
    assert found >= said[0] | said[1]
    check = await database.read(
        lambda connection: connection.exec_driver_sql("PRAGMA integrity_check").scalar()
    )
    assert check == "ok"
    await database.write(runs.add, new_run())
    await database.close()


async def test_a_server_that_restarts_costs_errors_and_no_data(postgres: Cluster) -> None:
    async with fresh_database(postgres) as url:
        database = Database(url)
        await database.open()
        await database.write(runs.add, new_run("before"))
        postgres.stop()
        try:
            with pytest.raises(StoreError, match="not reachable"):
                await database.write(runs.add, new_run("while"))
        finally:
            postgres.start()
        await database.write(runs.add, new_run("after"))
        found = {run.id for run in await database.read(runs.unfinished)}
        assert found == {"before", "after"}
        await database.close()
