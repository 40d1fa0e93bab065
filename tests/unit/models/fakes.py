"""Fake child processes and what tests of the models need besides."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmlab.engines.base import Engine
from llmlab.engines.llama_cpp import LaunchOptions
from llmlab.models.hardware import GB, MB
from llmlab.models.launching import OnProgress
from llmlab.models.manager import ModelManager
from llmlab.testing import Reply, ScriptedEngine

MakeManager = Callable[..., ModelManager]

MODEL_MEMORY = 40 * MB


class FakeProcess:
    """A child process that is only a state."""

    numbers = itertools.count(100_000)

    def __init__(self, memory: int) -> None:
        self.pid = next(self.numbers)
        self.memory = memory
        self.running = True
        self.stops = 0
        self.stopping = threading.Event()
        self.may_stop = threading.Event()
        self.may_stop.set()

    def alive(self) -> bool:
        return self.running

    def memory_bytes(self) -> int:
        return self.memory

    def stop(self) -> None:
        self.stopping.set()
        assert self.may_stop.wait(10)
        self.running = False
        self.stops += 1


class FakeLauncher:
    """Starts fake processes; can be held, slowed by steps, or told to fail."""

    def __init__(self) -> None:
        self.memory = MODEL_MEMORY
        self.replies: list[Reply] = []
        self.error: BaseException | None = None
        self.started = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.tells_progress = True
        self.launched: list[str] = []
        self.options: list[LaunchOptions] = []
        self.processes: list[FakeProcess] = []
        self.engines: list[ScriptedEngine] = []

    def __call__(
        self,
        path: Path,
        options: LaunchOptions,
        *,
        name: str,
        timeout: float,
        on_progress: OnProgress,
    ) -> tuple[FakeProcess, Engine]:
        self.launched.append(name)
        self.options.append(options)
        self.started.release()
        deadline = time.monotonic() + 10
        while not self.gate.wait(0.005):
            if self.tells_progress:
                on_progress(0.5)
            assert time.monotonic() < deadline
        if self.error is not None:
            raise self.error
        process = FakeProcess(self.memory)
        engine = ScriptedEngine([name], self.replies)
        self.processes.append(process)
        self.engines.append(engine)
        return process, engine


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def room_for(models: float) -> float:
    """MAX_VRAM_USAGE for so many fake models."""
    return models * MODEL_MEMORY / GB


def wait_until(condition: Callable[[], bool], timeout: float = 5.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the state did not come"
        time.sleep(0.002)


class Background:
    """A call in a thread, whose result or error is asked for later."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run, name="test call")
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:  # noqa: BLE001 - raised by get()
            self.error = error

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def get(self, timeout: float = 10.0) -> Any:
        self._thread.join(timeout)
        assert self.done, "the call did not end"
        if self.error is not None:
            raise self.error
        return self.result


def keys(manager: ModelManager) -> list[str]:
    return sorted(model.key for model in manager.loaded())
