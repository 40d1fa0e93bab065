"""The events of a run while it is driven."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from llmlab.events import Event


class EventLog:
    """Keeps a run's events; whoever follows sees all of them, from the first on.

    It is as large as the run's answer, and goes when the run has ended and nobody reads it.

    Args:
        events: What happened before.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._events = list(events)
        self._closed = False
        self._waiting: list[asyncio.Future[None]] = []

    def append(self, event: Event) -> None:
        """Add an event and show it to the followers."""
        self._events.append(event)
        self._wake()

    def close(self) -> None:
        """End the log, and with it all followers."""
        self._closed = True
        self._wake()

    @property
    def closed(self) -> bool:
        """Whether the log has ended."""
        return self._closed

    async def follow(self) -> AsyncIterator[Event]:
        """Yield every event, those to come too, until the log ends."""
        position = 0
        while True:
            while position < len(self._events):
                yield self._events[position]
                position += 1
            if self._closed:
                return
            await self._change()

    async def ended(self) -> None:
        """Wait for the end of the log."""
        while not self._closed:
            await self._change()

    async def _change(self) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
