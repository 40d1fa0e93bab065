"""A deadline for a block of code, as cheap as a timer."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self


class Deadline:
    """Raises TimeoutError in the block under ``with`` once its time is over.

    It does what :func:`asyncio.timeout` does, a few microseconds faster, which counts where
    every request has several.

    Args:
        seconds: How long the block may take.
    """

    __slots__ = ("_expired", "_owner", "_seconds", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = False
        self._owner: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._owner = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)
        return self

    def _expire(self) -> None:
        self._expired = True
        if self._owner is not None:
            self._owner.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._expired or self._owner is None:
            return
        # The cancellation was ours unless another one came too.
        if self._owner.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error
