"""A real lab in a process of its own: for acceptance tests, benchmarks and the demo."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import psutil

from llmlab.client import LabClient
from llmlab.errors import DeadlineError, UnavailableError

READY = "LLM Lab is ready at "


class LabProcess:
    """Runs ``llmlab up`` on a free port; a context manager that stops it, and its children.

    Args:
        home: Home folder of the lab.
        options: Further options of ``llmlab up``.
        environment: Variables on top of this process's own, without its LLMLAB_ ones.
        timeout: Seconds that start and stop may take.
    """

    def __init__(
        self,
        home: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        self.home = home
        self.url = ""
        self.started_in = 0.0
        self._options = options
        self._environment = _clean(os.environ) | dict(environment or {})
        self._timeout = timeout
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.output: list[str] = []

    def __enter__(self) -> LabProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The coordinator's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def key(self) -> str:
        """The lab's API key."""
        return (self.home / "key").read_text(encoding="utf-8").strip()

    def client(self, *, timeout: float = 60.0) -> LabClient:
        """Return a client of this lab; the caller closes it."""
        return LabClient(self.url, self.key, timeout=timeout)

    def start(self) -> None:
        """Start the lab and wait until it is ready.

        Raises:
            UnavailableError: It ended instead; the message is what it said.
            DeadlineError: It was not ready in time.
        """
        command = [sys.executable, "-P", "-m", "llmlab", "up", "--home", str(self.home)]
        if not any(option.startswith("--port") for option in self._options):
            command += ["--port", "0"]
        began = time.perf_counter()
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="lab output", daemon=True)
        self._reader.start()
        try:
            self._await_ready()
        except BaseException:
            self.kill()
            raise
        self.started_in = time.perf_counter() - began

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise DeadlineError(
                    f"The lab did not start in time. It said:\n{''.join(self.output)}"
                ) from None
            if line is None:
                raise UnavailableError(f"The lab ended. It said:\n{''.join(self.output)}")
            if READY in line:
                self.url = line.partition(READY)[2].split()[0]
                return

    def stop(self) -> int:
        """Stop the lab as Ctrl-C does and return its exit code."""
        return self._end(signal.SIGINT)

    def kill(self) -> int:
        """End the coordinator at once, as a power failure would; its children find out."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        children = _descendants(process.pid)
        if process.poll() is None:
            process.send_signal(number)
        try:
            code = process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        _, left = psutil.wait_procs(children, timeout=10.0)
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        if self._reader is not None:
            self._reader.join(5.0)
        if process.stdout is not None:
            process.stdout.close()
        return code


def _clean(variables: Mapping[str, str]) -> dict[str, str]:
    foreign = ("LLMLAB_", "OPENAI_")
    return {name: value for name, value in variables.items() if not name.startswith(foreign)}


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
