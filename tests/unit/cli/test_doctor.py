"""What the doctor finds on a machine that is well, and on ones that are not."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from llmlab.cli import checks


@pytest.fixture(autouse=True)
def _no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    # The user's own folders and servers are no part of a test.
    monkeypatch.setenv("LLMLAB_DETECT", "false")
    monkeypatch.setenv("LLMLAB_PORT", "0")


def findings(run: Any, *words: str) -> dict[str, dict[str, str]]:
    shown = run("doctor", "--json", *words)
    return {finding["name"]: finding for finding in shown.json["findings"]}


def test_a_machine_that_can_run_the_lab(run: Any) -> None:
    shown = run("doctor")
    assert shown.code == 0, shown.out
    assert "llama.cpp" in shown.out
    assert shown.out.splitlines()[-1] == "The lab can run here: `llmlab up` starts it."


def test_a_port_in_use_is_a_problem_with_advice(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("LLMLAB_PORT", str(taken.getsockname()[1]))
        found = findings(run)["port"]
        shown = run("doctor")
    assert found["verdict"] == "problem"
    assert "--port" in found["advice"]
    assert shown.code == 1
    assert "PROBLEM port" in shown.out


def test_a_running_lab_is_no_problem(run: Any, lab: Any) -> None:
    assert lab.url in findings(run)["lab"]["detail"]


def test_a_home_folder_that_cannot_be_written(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = findings(run, "--home", str(tmp_path / "file"))["home folder"]
    assert found["verdict"] == "problem"
    assert "--home" in found["advice"]


def test_a_full_disk(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "NO_DISK", 10**18)
    found = findings(run)["home folder"]
    assert found["verdict"] == "problem"
    assert "room" in found["advice"]


def test_a_secret_that_others_can_read(run: Any, home: Path) -> None:
    home.mkdir()
    (home / "key").write_text("lab-x")
    (home / "key").chmod(0o644)
    found = findings(run)["secrets"]
    assert found["verdict"] == "warning"
    assert "chmod 600" in found["advice"]


def test_a_processor_without_avx2(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(checks, "_processor_flags", lambda: {"sse2"})
    found = findings(run)["processor"]
    assert found["verdict"] == "problem"
    assert "AVX2" in found["detail"]


def test_an_engine_that_does_not_load(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.sys, "executable", "/bin/false")
    found = findings(run)["engine"]
    assert found["verdict"] == "problem"
    assert "does not load" in found["detail"]


def test_little_memory(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LITTLE_MEMORY", 10**18)
    assert findings(run)["memory"]["verdict"] == "warning"


def test_a_damaged_list_of_models_stops_no_other_check(run: Any, home: Path) -> None:
    home.mkdir()
    (home / "models.json").write_text("{")
    found = findings(run)
    assert found["models"]["verdict"] == "problem"
    assert found["Python"]["verdict"] == "ok"
