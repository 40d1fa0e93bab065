"""Equal requests at the same time share one generation.

A generation belongs to nobody who asked for it: it goes on while one of them is left, and it is
stopped when none is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

from llmlab.errors import EngineError

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Generations that run now, by key.

    Belongs to one event loop.

    Args:
        on_shared: Called for each request that joins another one's generation.
        max_size: Size of all pieces of a generation at which it is stopped; endless answers
            must not fill the memory.
        size: Tells the size of a piece.
    """

    def __init__(
        self,
        *,
        on_shared: Callable[[], None] | None = None,
        max_size: int = 64_000_000,
        size: Callable[[Any], int] = len,
    ) -> None:
        self._on_shared = on_shared
        self._max_size = max_size
        self._size = size
        self._flights: dict[str, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def join(
        self,
        key: str,
        start: Callable[[], AsyncIterator[T]],
        *,
        on_complete: Callable[[Sequence[T]], None] | None = None,
    ) -> Subscription[T]:
        """Subscribe to the generation under a key, from its first piece on.

        Args:
            key: Tells which requests are equal.
            start: Makes the generation if none runs: an asynchronous generator, which stops
                generating when it is closed or cancelled.
            on_complete: Called with all pieces when the generation ends well, before the
                next request under the key would start another; the first subscriber's counts.

        Returns:
            The pieces, as an asynchronous iterator. It must be closed: use ``async with``.
        """
        flight = self._flights.get(key)
        shared = flight is not None
        if flight is None:
            flight = _Flight(self, key, start, on_complete)
            self._flights[key] = flight
        elif self._on_shared is not None:
            self._on_shared()
        return Subscription(flight, shared=shared)

    async def aclose(self) -> None:
        """Stop all generations."""
        for flight in tuple(self._flights.values()):
            await flight.stop()

    def _check_size(self, total: int, piece: T) -> int:
        total += self._size(piece)
        if total > self._max_size:
            raise EngineError(f"The answer is over {self._max_size / 1e6:g} MB; it was stopped.")
        return total

    def _forget(self, flight: _Flight[T]) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]


class _Flight(Generic[T]):
    def __init__(
        self,
        owner: SingleFlight[T],
        key: str,
        start: Callable[[], AsyncIterator[T]],
        on_complete: Callable[[Sequence[T]], None] | None,
    ) -> None:
        self.key = key
        self.pieces: list[T] = []
        self.ended = False
        self.error: Exception | None = None
        self.trace: TracebackType | None = None
        self.subscribers = 0
        self.waiting: set[asyncio.Future[None]] = set()
        self._owner = owner
        self._on_complete = on_complete
        self._work = asyncio.create_task(self._pump(start), name=f"generation {key[:12]}")

    async def stop(self) -> None:
        """Stop the generation; it has ended when this returns."""
        self._owner._forget(self)  # noqa: SLF001 - its own map
        self._work.cancel()
        await asyncio.wait([self._work])
        # A coroutine that is cancelled before its first step does not see it.
        self._end(EngineError("The generation was stopped."))

    async def _pump(self, start: Callable[[], AsyncIterator[T]]) -> None:
        error: Exception | None = None
        try:
            await self._collect(start())
            if self._on_complete is not None:
                self._on_complete(self.pieces)
        except Exception as caught:  # noqa: BLE001 - it is raised at every subscriber
            error = caught
        self._end(error)

    async def _collect(self, source: AsyncIterator[T]) -> None:
        total = 0
        try:
            async for piece in source:
                total = self._owner._check_size(total, piece)  # noqa: SLF001
                self.pieces.append(piece)
                self._wake()
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    def _end(self, error: Exception | None) -> None:
        if not self.ended:
            self.ended = True
            self.error = error
            self.trace = error.__traceback__ if error is not None else None
            self._owner._forget(self)  # noqa: SLF001
            self._wake()

    def _wake(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)
        self.waiting.clear()


class Subscription(Generic[T]):
    """One reader of a generation.

    Attributes:
        shared: Whether another request had started the generation.
    """

    def __init__(self, flight: _Flight[T], *, shared: bool) -> None:
        self.shared = shared
        self._flight = flight
        self._position = 0
        self._closed = False
        flight.subscribers += 1

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        flight = self._flight
        while self._position >= len(flight.pieces):
            if flight.error is not None:
                # From the trace as it was: each raise adds to it, and there are many readers.
                raise flight.error.with_traceback(flight.trace)
            if flight.ended:
                raise StopAsyncIteration
            # A future of its own: who is cancelled while waiting must not wake the others.
            future = asyncio.get_running_loop().create_future()
            flight.waiting.add(future)
            try:
                await future
            finally:
                flight.waiting.discard(future)
        self._position += 1
        return flight.pieces[self._position - 1]

    async def aclose(self) -> None:
        """Leave; the last one to leave stops the generation and waits until it has ended."""
        if self._closed:
            return
        self._closed = True
        self._flight.subscribers -= 1
        if self._flight.subscribers == 0 and not self._flight.ended:
            await self._flight.stop()

    async def __aenter__(self) -> Subscription[T]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
