"""Equal requests for a whole answer share one call, as streams share one generation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, TypeVar

from llmlab.errors import EngineError

T = TypeVar("T")


class _Work(Generic[T]):
    """One call under way, and how many wait for it."""

    __slots__ = ("stopped", "task", "trace", "waiting")

    def __init__(self) -> None:
        self.task: asyncio.Task[T]
        self.waiting = 0
        self.stopped = False
        self.trace: TracebackType | None = None


class SingleCall(Generic[T]):
    """Calls that run now, by key; each goes on while somebody waits for it.

    Belongs to one event loop.

    Args:
        on_shared: Called for each request that joins another one's call.
    """

    def __init__(self, *, on_shared: Callable[[], None] | None = None) -> None:
        self._on_shared = on_shared
        self._works: dict[str, _Work[T]] = {}

    def __len__(self) -> int:
        return len(self._works)

    async def run(self, key: str, make: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """Return what one call makes for all equal requests, and whether it was shared.

        Args:
            key: Tells which requests are equal.
            make: Makes it; cancelled, and waited for, when nobody wants it any more.
        """
        work = self._works.get(key)
        shared = work is not None
        if work is None:
            work = self._works[key] = _Work()
            work.task = asyncio.create_task(self._made(key, work, make), name="shared call")
        elif self._on_shared is not None:
            self._on_shared()
        work.waiting += 1
        try:
            return await asyncio.shield(work.task), shared
        except asyncio.CancelledError:
            if work.stopped:
                raise EngineError("The generation was stopped.") from None
            raise
        except Exception as error:
            # From the trace as it was: each raise adds to it, and many may wait.
            error.with_traceback(work.trace)
            raise
        finally:
            work.waiting -= 1
            if work.waiting == 0 and not work.task.done():
                await self._stop(key, work)

    async def _made(self, key: str, work: _Work[T], make: Callable[[], Awaitable[T]]) -> T:
        try:
            return await make()
        except Exception as error:
            work.trace = error.__traceback__
            raise
        finally:
            self._forget(key, work)

    async def _stop(self, key: str, work: _Work[T]) -> None:
        # A coroutine that is cancelled before its first step cannot do this itself.
        self._forget(key, work)
        work.task.cancel()
        await asyncio.wait([work.task])

    def _forget(self, key: str, work: _Work[T]) -> None:
        if self._works.get(key) is work:
            del self._works[key]

    async def aclose(self) -> None:
        """Stop all calls; those who wait get an error."""
        for key, work in tuple(self._works.items()):
            work.stopped = True
            await self._stop(key, work)
