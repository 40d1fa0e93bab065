"""Keeps a model that crashes again and again from being loaded again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from llmlab.errors import EngineCrashedError

TOLERATED = 3
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


@dataclass(slots=True)
class _History:
    crashes: int = 0
    until: float = 0.0
    reason: str = ""


class CrashGuard:
    """Counts crashes in a row by model; an answered request ends the row.

    After three crashes in a row each further load waits: 1 second, 2, 4 ... up to a minute.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._histories: dict[str, _History] = {}

    def crashed(self, key: str, reason: str) -> None:
        """Count a crash, while loading or before the first answer."""
        history = self._histories.setdefault(key, _History())
        history.crashes += 1
        history.reason = reason
        if history.crashes >= TOLERATED:
            pause = FIRST_PAUSE * 2.0 ** min(history.crashes - TOLERATED, 10)
            history.until = self._clock() + min(LONGEST_PAUSE, pause)

    def served(self, key: str) -> None:
        """Forget the crashes of a model that answered."""
        self._histories.pop(key, None)

    def check(self, key: str) -> None:
        """Refuse a load that comes too soon.

        Raises:
            EngineCrashedError: The model crashed several times in a row.
        """
        history = self._histories.get(key)
        if history is None or (left := history.until - self._clock()) <= 0:
            return
        raise EngineCrashedError(
            f"{key} crashed {history.crashes} times in a row, so the next try waits "
            f"{left:.1f} s. The last time: {history.reason}",
            retry_after=left,
        )
