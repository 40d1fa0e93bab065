"""Stopping a lab, with a process that stands for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from llmlab.cli import stop


def start(home: Path, program: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    state = {
        "pid": child.pid,
        "url": "http://127.0.0.1:1",
        "started_at": psutil.Process(child.pid).create_time() + 0.1,
        "instance_id": "i" * 12,
    }
    (home / "run").mkdir(parents=True)
    (home / "run" / "coordinator.json").write_text(json.dumps(state))
    return child


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for child in started:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def test_a_lab_is_asked_to_stop(run: Any, home: Path, children: list[Any]) -> None:
    children.append(start(home, "import time; print('ready', flush=True); time.sleep(60)"))
    shown = run("stop")
    assert (shown.code, shown.out) == (0, "LLM Lab has stopped.\n")
    assert children[0].wait(5) != 0
    assert run("stop").code == 1


def test_a_lab_that_does_not_listen_is_killed(
    run: Any, home: Path, children: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "STOP_SECONDS", 0.3)
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        " print('ready', flush=True); time.sleep(60)"
    )
    children.append(start(home, program))
    shown = run("stop")
    assert shown.code == 0
    assert "killed" in shown.err
    assert children[0].wait(5) == -9
