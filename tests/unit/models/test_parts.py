"""The small parts under the manager: crash guard, ledger, reaper."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from tests.unit.models.fakes import Background, Clock, wait_until

from llmlab.errors import EngineCrashedError
from llmlab.models import ledger as ledgers
from llmlab.models.crashes import CrashGuard
from llmlab.models.ledger import Ledger
from llmlab.models.reaper import Reaper


def test_the_pause_after_crashes_doubles_up_to_a_minute() -> None:
    clock = Clock()
    guard = CrashGuard(clock)
    pauses: list[float | None] = []
    for _ in range(12):
        guard.crashed("m", "boom")
        if len(pauses) < 2:
            guard.check("m")
            pauses.append(0)
            continue
        with pytest.raises(EngineCrashedError, match="boom") as caught:
            guard.check("m")
        pauses.append(caught.value.retry_after)
    assert pauses == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    guard.check("other")
    guard.served("m")
    guard.check("m")


HOLDER = """
import sys
from pathlib import Path
from llmlab.models.ledger import Ledger
Ledger(Path(sys.argv[1])).write(1000)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.timeout(30)
def test_other_workers_count_as_long_as_they_run(tmp_path: Path) -> None:
    own = Ledger(tmp_path)
    own.write(7)
    assert own.others() == 0
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        assert own.others() == 1000
        other.kill()
    assert own.others() == 0
    own.write(0)
    assert list(tmp_path.glob("*.json")) == []


def test_a_reused_process_id_and_damaged_entries_do_not_count(tmp_path: Path) -> None:
    parent = psutil.Process().ppid()
    (tmp_path / f"{parent}.json").write_text(json.dumps({"bytes": 5, "started": 1.0}))
    (tmp_path / "1.json").write_text("{")
    (tmp_path / "2x.json").write_text("{}")
    assert Ledger(tmp_path).others() == 0
    assert not (tmp_path / f"{parent}.json").exists()


def test_one_at_a_time_holds_the_ledger(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path), Ledger(tmp_path)
    inside: list[str] = []

    def enter() -> None:
        with second.locked():
            inside.append("second")

    with first.locked():
        waiting = Background(enter)
        assert not inside
        inside.append("first")
    waiting.get()
    assert inside == ["first", "second"]


def test_a_ledger_that_is_never_given_back_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "LOCK_DEADLINE", 0.05)
    with Ledger(tmp_path).locked(), Ledger(tmp_path).locked():
        pass


def test_a_home_that_cannot_be_written_keeps_nobody_from_loading(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").write_text("in the way")
    with Ledger(tmp_path / "run" / "memory").locked():
        pass
    assert "not locked" in caplog.text


def test_the_reaper_runs_only_while_there_is_work() -> None:
    left = [3]
    ticked = threading.Event()

    def tick() -> bool:
        left[0] -= 1
        ticked.set()
        return left[0] > 0

    reaper = Reaper(tick, 0.01, "test-reaper")
    assert not ticked.is_set()
    reaper.wake()
    names = lambda: [thread.name for thread in threading.enumerate()]  # noqa: E731
    wait_until(lambda: left[0] == 0 and "test-reaper" not in names())
    left[0] = 1
    reaper.wake()
    wait_until(lambda: left[0] == 0)
    reaper.stop(5)
    assert "test-reaper" not in names()
    left[0] = 5
    reaper.wake()
    assert "test-reaper" not in names()


def test_the_reaper_survives_an_error(caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    def tick() -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("once")
        return False

    reaper = Reaper(tick, 0.01, "test-reaper")
    reaper.wake()
    wait_until(lambda: len(calls) == 2)
    reaper.stop(5)
    assert "once" in caplog.text
