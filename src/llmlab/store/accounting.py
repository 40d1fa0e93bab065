"""Accounting: single calls are written down after they were answered, and never waited for."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from llmlab.errors import LabError, StoreError
from llmlab.log import get_logger
from llmlab.store import runs
from llmlab.store.database import Database
from llmlab.store.runs import Run
from llmlab.types import Usage

logger = get_logger(__name__)

BATCH = 2000


class Accounting:
    """Collects accounting rows and writes them in batches.

    Args:
        database: Where they go.
        capacity: Rows that may wait; beyond that the newest are dropped and counted, so that a
            slow disk costs rows and never memory.
        interval: Seconds between two batches.
        keep: Rows of single calls that stay in the database.

    Attributes:
        dropped: Rows that were lost so far.
    """

    def __init__(
        self,
        database: Database,
        *,
        capacity: int = 20_000,
        interval: float = 0.5,
        keep: int = 200_000,
    ) -> None:
        self.dropped = 0
        self._database = database
        self._capacity = capacity
        self._interval = interval
        self._keep = keep
        self._waiting: deque[Run] = deque()
        # The first batch looks for what an earlier run has left.
        self._since_prune = keep
        self._stopping = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write."""
        self._stopping.clear()
        self._writer = asyncio.create_task(self._write_batches(), name="accounting writer")

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._stopping.set()
        if self._writer is not None:
            await self._writer
            self._writer = None

    def record(
        self,
        run_id: str,
        kind: str,
        *,
        tenant: str,
        model: str | None,
        seconds: float,
        node: str | None = None,
        cache_hit: bool = False,
        usage: Usage | None = None,
        error: LabError | None = None,
    ) -> None:
        """Note a call that was answered; returns at once.

        Args:
            run_id: The id that the client got.
            kind: What was called, such as ``chat.completions`` or ``inference``.
            tenant: Who called.
            model: The model that was asked for.
            seconds: Wall-clock time from the request to the end of the answer.
            node: Who answered.
            cache_hit: Whether the answer came from the response cache.
            usage: Token counts.
            error: How it failed; without it, it succeeded.
        """
        if len(self._waiting) >= self._capacity:
            self.dropped += 1
            return
        self._waiting.append(
            Run(
                id=run_id,
                kind=kind,
                durable=False,
                status="failed" if error else "done",
                tenant=tenant,
                model=model,
                error_code=error.code if error else None,
                error=error.message if error else None,
                node=node,
                cache_hit=cache_hit,
                usage=usage or Usage(),
                created_at=time.time() - seconds,
                seconds=seconds,
            )
        )

    async def flush(self) -> None:
        """Write what waits now."""
        while self._waiting:
            size = min(len(self._waiting), BATCH)
            batch = [self._waiting.popleft() for _ in range(size)]
            try:
                await self._database.write(runs.add, *batch)
            except StoreError as error:
                self.dropped += size
                logger.warning("%d accounting rows are lost: %s", size, error.message)
                return
            self._since_prune += size

    async def _write_batches(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self._interval):
                    await self._stopping.wait()
            except TimeoutError:
                await self.flush()
                await self._prune()
        await self.flush()

    async def _prune(self) -> None:
        # A tenth more than what is kept: so a removal is rare, and large enough to be cheap.
        if self._since_prune < max(self._keep // 10, 1):
            return
        self._since_prune = 0
        try:
            await self._database.write(runs.prune, keep=self._keep)
        except StoreError as error:
            logger.warning("Old accounting rows could not be removed: %s", error.message)
