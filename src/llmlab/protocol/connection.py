"""Work for a client that may go away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from llmlab.protocol.access import Receive

T = TypeVar("T")

# Most answers are there before anybody has to watch for a client that leaves.
_PATIENCE = 0.05


class Departure:
    """Cancels the block under ``with`` when the client goes away.

    Leaving the block after that raises no CancelledError; ``gone`` tells it.

    Args:
        receive: The connection's events; the request's body must have been received.
    """

    __slots__ = ("_owner", "_receive", "_timer", "_watcher", "gone")

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        self._receive = receive
        self._owner: asyncio.Task[object] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._owner = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._start)
        return self

    def _start(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(
            self._watch(), name="client departure"
        )

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._owner is not None:
            self._owner.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if not self.gone or self._owner is None:
            return False
        # As asyncio.timeout does: the cancellation was ours unless another one came too.
        return self._owner.uncancel() == 0 and kind is asyncio.CancelledError


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """Run work for as long as its client is there.

    Args:
        receive: The connection's ASGI ``receive``; the body has been read.
        work: What is done for the client; cancelled when it leaves.

    Returns:
        What the work returned; None when the client left first.
    """
    with Departure(receive):
        return await work
    return None
