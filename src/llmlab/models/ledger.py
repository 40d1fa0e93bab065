"""How the workers of one machine share one memory budget: each writes down what it holds."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from llmlab.files import write_atomic
from llmlab.log import get_logger

LOCK_DEADLINE = 5.0
# Seconds; the system's clock may be set while a process runs.
SAME_START = 5.0

_log = get_logger(__name__)


class Ledger:
    """What every worker with the same home folder holds, in bytes.

    One small file for each process, which counts as long as that process runs.

    Args:
        folder: Where the files live; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = os.getpid()
        self._own = folder / f"{self._pid}.json"
        self._written = 0
        self._writing = threading.Lock()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time read the others and write itself."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = (self._folder / "lock").open("a")
        except OSError as error:
            # A home that cannot be written must not keep models from being loaded.
            _log.warning("memory ledger not locked", extra={"reason": str(error)})
            yield
            return
        with file:
            _lock(file.fileno())
            # Closing the file gives the lock back, and so does the end of the process.
            yield

    def write(self, held: int) -> None:
        """Write down what this process holds."""
        with self._writing:
            if held == self._written:
                return
            if held:
                started = psutil.Process(self._pid).create_time()
                write_atomic(self._own, json.dumps({"bytes": held, "started": started}))
            else:
                self._own.unlink(missing_ok=True)
            self._written = held

    def others(self) -> int:
        """Return what the other processes hold; forgets the ones that ended."""
        return sum(_read(path) for path in self._folder.glob("[0-9]*.json") if path != self._own)


def _read(path: Path) -> int:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        started = psutil.Process(int(path.stem)).create_time()
        if abs(started - float(entry["started"])) < SAME_START:
            return max(0, int(entry["bytes"]))
    except psutil.NoSuchProcess:
        pass
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return 0
    # The process is gone, or its id belongs to another one by now.
    path.unlink(missing_ok=True)
    return 0


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    deadline = time.monotonic() + LOCK_DEADLINE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Whoever holds it for so long is stopped: going on beats hanging with it.
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        else:
            return
