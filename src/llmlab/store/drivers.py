"""How the store talks to each kind of database: SQLite in threads, PostgreSQL on the loop.

Both run plain functions that take a connection, so that a query is written once.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from llmlab.errors import ConfigurationError
from llmlab.store.tables import prepare_for_postgresql

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

READERS = 4
CONNECT_TIMEOUT = 10.0
STATEMENT_TIMEOUT = 60.0


class Driver(ABC):
    """Runs functions on connections to one database.

    Attributes:
        name: Where the database is, without a password.
    """

    name: str

    @abstractmethod
    async def open(self) -> None:
        """Connect."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect; does nothing when it is not connected."""

    @abstractmethod
    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a function in a transaction and commit it."""

    @abstractmethod
    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a function on one snapshot, which it does not change."""


def driver_for(location: str | Path, *, lock_timeout: float) -> Driver:
    """Return the driver of a SQLite file, or of a URL.

    Raises:
        ConfigurationError: It is no URL of a SQLite file or of a PostgreSQL database.
    """
    if isinstance(location, Path):
        return SqliteDriver(location, lock_timeout)
    try:
        parsed = make_url(location)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(
            "database_url is not a URL such as sqlite:///lab.db or postgresql://user@host/name."
        ) from error
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        return SqliteDriver(_file_of(parsed), lock_timeout)
    if backend in ("postgresql", "postgres"):
        return PostgresDriver(parsed)
    raise ConfigurationError(
        f"database_url: {backend} is not supported; SQLite and PostgreSQL are."
    )


def _file_of(url: URL) -> Path:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise ConfigurationError("database_url must name a file, such as sqlite:///lab.db.")
    return Path(url.database)


class SqliteDriver(Driver):
    """SQLite in threads of its own: a statement costs no hop, a commit blocks nobody.

    The threads are not those of `asyncio.to_thread`, which a long load of a model may occupy.
    """

    def __init__(self, path: Path, lock_timeout: float) -> None:
        self._path = path.expanduser().absolute()
        self._lock_timeout = lock_timeout
        self.name = str(self._path)
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._engines: dict[str, Engine] = {}

    async def open(self) -> None:
        """Make the file, readable by its owner alone, and the engines."""
        self._threads = {
            "write": ThreadPoolExecutor(1, "store-writer"),
            "read": ThreadPoolExecutor(READERS, "store-reader"),
        }
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads["write"], self._connect)

    def _connect(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        # IMMEDIATE: a writer that waits for another process does so at the start, where
        # waiting helps; a reader that becomes a writer later would fail at once.
        self._engines = {
            "write": self._engine("BEGIN IMMEDIATE", 1),
            "read": self._engine("BEGIN", READERS),
        }

    def _engine(self, begin: str, size: int) -> Engine:
        engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(self._path)),
            connect_args={
                "timeout": self._lock_timeout,
                "check_same_thread": False,
                "isolation_level": None,
            },
            pool_size=size,
            max_overflow=0,
        )

        def prepare(connection: Any, _: object) -> None:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")

        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine

    async def close(self) -> None:
        """End the threads; the last connection to close folds the log into the file."""
        engines, threads = self._engines, self._threads
        self._engines, self._threads = {}, {}
        for name, executor in threads.items():
            if name in engines:
                await asyncio.get_running_loop().run_in_executor(executor, engines[name].dispose)
            executor.shutdown(wait=False)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a function in the writer's thread."""
        return await self._run("write", work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a function in one of the readers' threads."""
        return await self._run("read", work)

    async def _run(self, name: str, work: Callable[[Connection], T]) -> T:
        executor = self._threads.get(name)
        if executor is None:
            raise ConnectionError("connection closed")

        def transaction() -> T:
            with self._engines[name].begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(executor, transaction)


class PostgresDriver(Driver):
    """PostgreSQL through asyncpg."""

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+asyncpg")
        self.name = f"PostgreSQL {url.host or 'localhost'}/{url.database or ''}"
        self._engine: AsyncEngine | None = None

    async def open(self) -> None:
        """Make the pool; the first connection is made with the first work.

        Raises:
            ConfigurationError: asyncpg is not installed.
        """
        try:
            import asyncpg  # noqa: F401 - only whether it is there
        except ImportError as error:
            raise ConfigurationError(
                "PostgreSQL needs the package asyncpg: pip install 'llmlab[postgres]'."
            ) from error
        from sqlalchemy.ext.asyncio import create_async_engine

        prepare_for_postgresql()
        self._engine = create_async_engine(
            self._url,
            connect_args={"timeout": CONNECT_TIMEOUT, "command_timeout": STATEMENT_TIMEOUT},
            pool_size=READERS + 1,
            max_overflow=0,
            pool_timeout=STATEMENT_TIMEOUT,
            # A server that was restarted costs one round trip, not an error.
            pool_pre_ping=True,
        )

    async def close(self) -> None:
        """Close the pool."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a function in a transaction."""
        return await self._run(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a function in a transaction."""
        return await self._run(work)

    async def _run(self, work: Callable[[Connection], T]) -> T:
        if self._engine is None:
            raise ConnectionError("connection closed")
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)
