"""A thread that looks after something from time to time, and only while there is something."""

from __future__ import annotations

import threading
from collections.abc import Callable

from llmlab.log import get_logger

_log = get_logger(__name__)


class Reaper:
    """Calls ``tick`` every ``interval`` seconds, at once when woken, until it returns False.

    The thread begins with :meth:`wake` and ends by itself when there is nothing left to do.

    Args:
        tick: Does the work; returns whether there will be more.
        interval: Seconds between calls.
        name: Name of the thread.
    """

    def __init__(self, tick: Callable[[], bool], interval: float, name: str) -> None:
        self._tick = tick
        self._interval = interval
        self._name = name
        self._lock = threading.Lock()
        self._due = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def wake(self) -> None:
        """Have ``tick`` called soon; takes microseconds unless the thread has to begin."""
        with self._lock:
            self._due.set()
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def stop(self, timeout: float) -> None:
        """End the thread for good."""
        with self._lock:
            self._stopped = True
            self._due.set()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _run(self) -> None:
        while self._attend():
            self._due.wait(self._interval)

    def _attend(self) -> bool:
        with self._lock:
            if self._stopped:
                return False
            self._due.clear()
        more = self._safely()
        with self._lock:
            if more or self._due.is_set():
                return True
            self._thread = None
            return False

    def _safely(self) -> bool:
        try:
            return self._tick()
        except Exception:  # noqa: BLE001 - whatever went wrong this time, the next tick has to come
            _log.exception("a look after the models failed")
            return True
