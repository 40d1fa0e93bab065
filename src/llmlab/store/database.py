"""The database: opened and brought up to date, one writer that commits in groups, many readers.

Whoever uses it hands over a function that takes a connection (one file of them per noun stands
beside this one)::

    await database.write(runs.add, new_run)
    found = await database.read(runs.get, run_id, tenant="owner")
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection as Connection  # noqa: PLC0414 - for those who write work

from llmlab.errors import LabError, StoreError
from llmlab.log import get_logger
from llmlab.store import schema
from llmlab.store.drivers import Driver, driver_for
from llmlab.store.failures import translated

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[[Connection], Any]

LARGEST_GROUP = 256

logger = get_logger(__name__)


@dataclass(slots=True)
class _Job:
    work: Work
    done: asyncio.Future[Any]
    result: Any = None
    error: LabError | None = None


class Database:
    """The store's database.

    Args:
        location: A SQLite file, or the SQLAlchemy URL of one or of a PostgreSQL database.
        lock_timeout: Seconds to wait for another process that writes (SQLite).

    Raises:
        ConfigurationError: The URL is not one of those.
    """

    def __init__(self, location: str | Path, *, lock_timeout: float = 5.0) -> None:
        self._driver: Driver = driver_for(location, lock_timeout=lock_timeout)
        self._jobs: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def name(self) -> str:
        """Where it is, without a password."""
        return self._driver.name

    async def open(self) -> None:
        """Connect, and make or update the tables.

        Raises:
            StoreError: It cannot be reached or written, or a newer LLM Lab has made it.
        """
        try:
            await self._driver.open()
            await self._driver.write(schema.update)
        except BaseException as error:
            await self._driver.close()
            if isinstance(error, LabError) or not isinstance(error, Exception):
                raise
            raise translated(error, self.name) from error
        self._closing = False
        self._writer = asyncio.create_task(self._write_groups(), name="store writer")

    async def close(self) -> None:
        """Finish what was handed over, then disconnect."""
        self._closing = True
        self._wake.set()
        if self._writer is not None:
            await self._writer
            self._writer = None
        await self._driver.close()

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function in a transaction and return its result once that is committed.

        Calls take effect in the order in which they were made, several in one commit. A caller
        that is cancelled while it waits has still handed its work over.

        Raises:
            StoreError: The database refused; nothing of this call has been kept.
        """
        return await self.submit(work, *args, **kwargs)

    def submit(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Hand work over as :meth:`write` does, without waiting.

        Raises:
            StoreError: The database is closed.
        """
        if self._closing or self._writer is None:
            raise StoreError("The store is closed; the lab is stopping.")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(partial(_called, work, args, kwargs), done))
        self._wake.set()
        return done

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function that only reads; it sees every write that has returned.

        Raises:
            StoreError: The database refused.
        """
        try:
            return await self._driver.read(partial(_called, work, args, kwargs))
        except LabError:
            raise
        except Exception as error:
            raise translated(error, self.name) from error

    async def _write_groups(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._jobs:
                size = min(len(self._jobs), LARGEST_GROUP)
                await self._write_group([self._jobs.popleft() for _ in range(size)])
            if self._closing:
                return

    async def _write_group(self, group: list[_Job]) -> None:
        try:
            await self._driver.write(partial(_run_group, group, self.name))
        except asyncio.CancelledError:
            for job in group:
                job.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            for job in group:
                job.error = translated(error, self.name)
        for job in group:
            _settle(job)


def _called(
    work: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any], connection: Connection
) -> T:
    return work(connection, *args, **kwargs)


def _run_group(group: list[_Job], name: str, connection: Connection) -> None:
    if len(group) == 1:
        group[0].result = group[0].work(connection)
        return
    for job in group:
        # A job that fails must not take the others with it.
        savepoint = connection.begin_nested()
        try:
            job.result = job.work(connection)
            savepoint.commit()
        except Exception as error:  # noqa: BLE001 - handed to the one who waits
            if savepoint.is_active:
                savepoint.rollback()
            job.error = translated(error, name)


def _settle(job: _Job) -> None:
    if job.error is not None:
        logger.error("A write to the store failed: %s", job.error.message)
    if job.done.done():
        return
    if job.error is None:
        job.done.set_result(job.result)
    else:
        job.done.set_exception(job.error)
        # It was logged; whoever did not wait need not hear of it again.
        job.done.exception()
