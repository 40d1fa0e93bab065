"""Fresh tables, migrated tables, and databases of another age."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from tests.databases import new_run

from llmlab.errors import StoreError
from llmlab.store import migrations, runs, schema
from llmlab.store.database import Database
from llmlab.store.drivers import driver_for
from llmlab.store.tables import REVISION, metadata


async def on(url: str, work: Callable[[Connection], Any]) -> Any:
    driver = driver_for(url, lock_timeout=5)
    await driver.open()
    try:
        return await driver.write(work)
    finally:
        await driver.close()


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_migrations_lead_to_the_tables_that_a_new_database_has(database_url: str) -> None:
    await on(database_url, migrations.upgrade)
    assert await on(database_url, differences) == []
    assert await on(database_url, schema.revision) == REVISION


async def test_a_new_database_is_marked_as_up_to_date(database_url: str) -> None:
    store = Database(database_url)
    await store.open()
    await store.close()
    assert await on(database_url, differences) == []
    assert await on(database_url, schema.revision) == REVISION


def test_the_newest_migration_is_the_revision_of_the_tables() -> None:
    script = ScriptDirectory(str(migrations.FOLDER))
    assert script.get_current_head() == REVISION


async def test_a_migrated_database_works(database_url: str) -> None:
    await on(database_url, migrations.upgrade)
    store = Database(database_url)
    await store.open()
    await store.write(runs.add, new_run())
    await store.close()
    await store.open()
    assert await store.read(runs.count) == 1
    await store.close()


async def test_an_older_database_is_brought_up_to_date(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await on(database_url, migrations.upgrade)
    asked: list[Connection] = []
    monkeypatch.setattr(schema, "REVISION", "9999")
    monkeypatch.setattr(migrations, "upgrade", asked.append)
    store = Database(database_url)
    await store.open()
    await store.close()
    assert len(asked) == 1


@pytest.mark.parametrize("found", ["9999", "somebody-elses"])
async def test_a_newer_database_is_left_alone(database_url: str, found: str) -> None:
    await on(database_url, migrations.upgrade)
    change = text("UPDATE alembic_version SET version_num = :found")
    await on(database_url, lambda connection: connection.execute(change, {"found": found}))
    with pytest.raises(StoreError, match="newer LLM Lab"):
        await Database(database_url).open()


def test_a_start_with_an_up_to_date_database_does_not_import_alembic(sqlite_url: str) -> None:
    code = (
        "import asyncio, sys\n"
        "from llmlab.store import accounting, events, runs, sessions, steps\n"
        "from llmlab.store.database import Database\n"
        "async def main():\n"
        "    for _ in range(2):\n"
        "        store = Database(sys.argv[1])\n"
        "        await store.open()\n"
        "        await store.close()\n"
        "asyncio.run(main())\n"
        "heavy = ('alembic', 'sqlalchemy.orm', 'sqlalchemy.ext.asyncio', 'asyncpg',\n"
        "    'sqlalchemy.dialects.postgresql')\n"
        "print(*(name for name in heavy if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, sqlite_url], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
