"""The one writer, the readers, and what they do when the database refuses."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from tests.databases import new_run

from llmlab.errors import ConfigurationError, ConflictError, StoreError, StoreUnavailableError
from llmlab.events import RunStarted
from llmlab.store import events, runs
from llmlab.store.database import Database


async def test_what_was_written_is_read_back(database: Database) -> None:
    run = new_run(input={"message": "hi", "big": 2**200, "deep": [{"a": None}]}, model="m")
    await database.write(runs.add, run)
    assert await database.read(runs.get, "run_1", tenant="owner") == run


async def test_text_that_no_database_takes_is_cleaned(database: Database) -> None:
    run = new_run(model="a\0b", session_id="c\ud800", input={"text": "\0\ud800"})
    await database.write(runs.add, run)
    found = await database.read(runs.get, "run_1")
    assert found is not None
    assert (found.model, found.session_id) == ("a\ufffdb", "c?")
    assert found.input == {"text": "\0\ud800"}


async def test_a_thousand_events_at_once_are_numbered_without_a_gap(database: Database) -> None:
    await database.write(runs.add, new_run())
    event = RunStarted(run_id="run_1")
    written = await asyncio.gather(
        *(database.write(events.add, "run_1", event) for _ in range(1000))
    )
    assert [stored.number for stored in written] == list(range(1, 1001))
    found = await database.read(events.after, "run_1", 0, limit=2000)
    assert [stored.number for stored in found] == list(range(1, 1001))


async def test_two_stores_on_one_database_write_at_the_same_time(
    database: Database, database_url: str
) -> None:
    other = Database(database_url)
    await other.open()
    stores = [database, other]
    ids = [f"run_{number}" for number in range(100)]
    await asyncio.gather(
        *(stores[number % 2].write(runs.add, new_run(name)) for number, name in enumerate(ids))
    )
    await other.close()
    assert await database.read(runs.count) == 100


async def test_a_write_that_fails_takes_no_other_with_it(database: Database) -> None:
    await database.write(runs.add, new_run())
    writes = [
        database.submit(runs.add, new_run("run_2")),
        database.submit(runs.add, new_run("run_1")),
        database.submit(runs.add, new_run("run_3")),
    ]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), StoreError, type(None)]
    assert await database.read(runs.count) == 3


async def test_a_failed_write_that_nobody_waits_for_makes_no_noise(database: Database) -> None:
    def refuse(connection: Connection) -> None:
        raise ConflictError("no")

    database.submit(refuse)
    with pytest.raises(ConflictError):
        await database.write(refuse)


async def test_a_caller_that_leaves_has_still_handed_its_write_over(database: Database) -> None:
    async def leaving() -> None:
        await database.write(runs.add, new_run())

    caller = asyncio.create_task(leaving())
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await database.write(runs.add, new_run("run_2"))
    assert await database.read(runs.count) == 2


async def test_closing_finishes_what_was_handed_over(database_url: str) -> None:
    store = Database(database_url)
    await store.open()
    writes = [store.submit(runs.add, new_run(f"run_{number}")) for number in range(300)]
    await store.close()
    assert all(write.done() and write.exception() is None for write in writes)
    with pytest.raises(StoreError, match="closed"):
        await store.write(runs.add, new_run())
    with pytest.raises(StoreError):
        await store.read(runs.count)
    await store.open()
    assert await store.read(runs.count) == 300
    await store.close()


async def test_a_query_that_the_database_refuses_is_a_store_error(database: Database) -> None:
    with pytest.raises(StoreError, match="nothing_there"):
        await database.read(
            lambda connection: connection.execute(text("SELECT * FROM nothing_there"))
        )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a URL"),
        ("mysql://root@localhost/lab", "mysql is not supported"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:///file:x?mode=memory&uri=true", "must name a file"),
    ],
)
def test_a_url_that_is_of_no_use_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Database(url)


def test_a_name_of_a_database_has_no_password_in_it() -> None:
    store = Database("postgresql://lab:very-secret@db.example/lab")
    assert store.name == "PostgreSQL db.example/lab"


async def test_a_server_that_is_not_there_is_named() -> None:
    store = Database("postgresql+asyncpg://lab@127.0.0.1:1/lab")
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1/lab is not reachable"):
        await store.open()


async def test_a_database_that_is_not_there_is_named(postgres: object) -> None:
    store = Database(f"{postgres.url}/missing")  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match=r"missing.* does not exist.*database_url"):
        await store.open()


async def test_the_file_is_readable_by_its_owner_alone(sqlite: Database) -> None:
    await sqlite.write(runs.add, new_run())
    file = Path(sqlite.name)
    assert {path.name for path in file.parent.iterdir()} >= {"lab.db", "lab.db-wal"}
    assert {path.stat().st_mode & 0o777 for path in file.parent.glob("lab.db*")} == {0o600}


async def test_commits_are_written_through(sqlite: Database) -> None:
    def settings(connection: Connection) -> tuple[object, object, object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return tuple(connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names)

    assert await sqlite.write(settings) == ("wal", 2, 1)


async def test_a_full_disk_is_said_and_loses_nothing(sqlite: Database) -> None:
    await sqlite.write(runs.add, new_run())

    def limit(connection: Connection, pages: int) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    await sqlite.write(limit, 1)
    large = {"text": "x" * 1_000_000}
    with pytest.raises(
        StoreUnavailableError, match=r"disk that holds .*lab\.db is full. Free some space"
    ):
        await sqlite.write(runs.add, new_run("run_2", input=large))
    assert await sqlite.read(runs.count) == 1
    await sqlite.write(limit, 1_000_000)
    await sqlite.write(runs.add, new_run("run_2", input=large))
    assert await sqlite.read(runs.count) == 2


async def test_a_lock_that_another_process_holds_is_said(sqlite_url: str) -> None:
    store = Database(sqlite_url, lock_timeout=0.05)
    await store.open()
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, store.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        await asyncio.to_thread(holder.stdout.readline)
        with pytest.raises(StoreUnavailableError, match="locked: another process"):
            await store.write(runs.add, new_run())
        assert await store.read(runs.count) == 0
        holder.communicate()
    await store.write(runs.add, new_run())
    await store.close()


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "lab.db"
    file.write_bytes(b"something else, long enough to have a header " * 10)
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"is not a database\. Name another file"):
        await Database(f"sqlite:///{file}").open()
    assert file.read_bytes() == before


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"lab\.db"):
        await Database(f"sqlite:///{tmp_path}/file/lab.db").open()


async def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "what? 100% #1" / "lab.db"
    store = Database(path)
    await store.open()
    await store.close()
    assert path.is_file()
