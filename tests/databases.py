"""Fixtures that give tests a store: on SQLite, and on PostgreSQL too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.postgres import fresh_database

from llmlab.store.database import Database
from llmlab.store.runs import Run


def new_run(run_id: str = "run_1", **values: Any) -> Run:
    """Return a run as it may be written."""
    return Run(**({"id": run_id, "kind": "chat", "tenant": "owner"} | values))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'lab.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, sqlite_url: str) -> AsyncIterator[str]:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        yield sqlite_url
        return
    async with fresh_database(request.getfixturevalue("postgres")) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open store on each kind of database."""
    opened = Database(database_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    """An open store on SQLite."""
    opened = Database(sqlite_url)
    await opened.open()
    yield opened
    await opened.close()
