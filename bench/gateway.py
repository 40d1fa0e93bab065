"""What the lab costs on the way to a server: the same backend asked directly and through it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from bench.backend import MODEL
from bench.load import Figures, measure
from llmlab.testing.process import LabProcess

PATH = "/v1/chat/completions"
CONNECTIONS = 16
NODE_SECONDS = 20.0


@contextmanager
def backend() -> Iterator[str]:
    """Run the prepared server in a process of its own and give its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.backend"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def question(text: str, *, stream: bool) -> bytes:
    """Return the body of a chat request."""
    body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body).encode()


def await_model(lab: LabProcess) -> None:
    """Wait until the lab has found the backend.

    Raises:
        TimeoutError: It did not.
    """
    deadline = time.monotonic() + NODE_SECONDS
    with lab.client() as client:
        while MODEL not in {model.id for model in client.models().models}:
            if time.monotonic() > deadline:
                raise TimeoutError("the lab did not find the backend")
            time.sleep(0.1)


def cpu_seconds(lab: LabProcess) -> float:
    """Return the processor time that the coordinator has taken; other work does not blur it."""
    times = psutil.Process(lab.pid).cpu_times()
    return times.user + times.system


def run() -> dict[str, Any]:
    """Ask questions that no cache knows, streamed and whole."""
    figures: dict[str, Any] = {"connections": CONNECTIONS}
    with (
        tempfile.TemporaryDirectory(prefix="llmlab-bench-") as folder,
        backend() as server,
        LabProcess(Path(folder), "--workers", "0", "--external", server) as lab,
    ):
        await_model(lab)
        for name, stream in (("whole", False), ("stream", True)):
            direct = _measure(server, "", stream=stream)
            before = cpu_seconds(lab)
            through = _measure(lab.url, lab.key, stream=stream)
            spent = cpu_seconds(lab) - before
            figures[name] = {
                "direct": asdict(direct),
                "through_the_lab": asdict(through),
                "share_of_direct": round(through.per_second / direct.per_second, 4),
                "added_p50_ms": round(through.p50_ms - direct.p50_ms, 3),
                "lab_cpu_us_per_request": round(spent / through.asked * 1e6),
            }
    return figures


def _measure(url: str, key: str, *, stream: bool) -> Figures:
    # A stored answer would serve both forms, so each has questions of its own.
    kind = "streamed" if stream else "whole"
    return measure(
        url,
        PATH,
        lambda number: question(f"Question {number}, {kind}", stream=stream),
        key=key,
        connections=CONNECTIONS,
    )
