"""Writes results and metrics below the home folder, off the event loop and never waited for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from pathlib import Path

import orjson

from llmlab.files import write_atomic
from llmlab.log import get_logger
from llmlab.models.metrics import ModelMetrics
from llmlab.protocol.lab import InferenceResult

KEPT_RESULTS = 1000
PRUNE_EVERY = 100
WAITING_RESULTS = 1000
INTERVAL = 30.0
CLOSE_DEADLINE = 5.0

_log = get_logger(__name__)


class Journal:
    """One file for each result, of which the newest stay, and one for the metrics.

    Args:
        home: Home folder of the lab.
        name: Name of the metrics file; the worker's.
        metrics: What is written there when it changed.
        interval: Seconds between looks at the metrics.
        keep: Results that stay.
    """

    def __init__(
        self,
        home: Path,
        name: str,
        metrics: ModelMetrics,
        *,
        interval: float = INTERVAL,
        keep: int = KEPT_RESULTS,
    ) -> None:
        self._results = home / "results"
        self._metrics_file = home / "metrics" / f"{name}.json"
        self._metrics = metrics
        self._interval = interval
        self._keep = keep
        # Bounded: with a disk that hangs, the oldest are lost and not the memory.
        self._waiting: deque[InferenceResult] = deque(maxlen=WAITING_RESULTS)
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._written_version = metrics.version
        self._written_results = 0
        self._writing = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Begin to write; again is harmless. Needs a running loop."""
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._run(), name="model journal")

    def add(self, result: InferenceResult) -> None:
        """Have a result written soon."""
        self._waiting.append(result)
        self._due.set()

    async def aclose(self) -> None:
        """Write what is left and stop."""
        self._closed = True
        self._due.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait([task], timeout=CLOSE_DEADLINE)
        if task is None or task.done():
            # Else the disk hangs, and one thread that waits for it is enough.
            await asyncio.to_thread(self._write)

    async def _run(self) -> None:
        while not self._closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._due.wait()
            self._due.clear()
            await asyncio.to_thread(self._write)

    def _write(self) -> None:
        try:
            with self._writing:
                while self._waiting:
                    self._write_result(self._waiting.popleft())
                self._write_metrics()
        except OSError as error:
            # The answers were given; a full disk must not stop the next ones.
            _log.warning("results or metrics not written", extra={"reason": str(error)})

    def _write_metrics(self) -> None:
        version = self._metrics.version
        if version != self._written_version:
            write_atomic(self._metrics_file, orjson.dumps(self._metrics.to_dict()))
            self._written_version = version

    def _write_result(self, result: InferenceResult) -> None:
        path = self._results / f"{result.run_id}.json"
        write_atomic(path, result.model_dump_json(), mode=0o600)
        if self._written_results % PRUNE_EVERY == 0:
            self._prune()
        self._written_results += 1

    def _prune(self) -> None:
        # Run ids sort by time.
        for path in sorted(self._results.glob("*.json"))[: -self._keep]:
            path.unlink(missing_ok=True)
