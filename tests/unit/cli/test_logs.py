"""Log lines of several components, merged by time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def write(home: Path, component: str, *lines: dict[str, Any] | str) -> Path:
    path = home / "logs" / f"{component}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for line in lines:
            file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
    return path


def test_lines_are_merged_by_time(run: Any, home: Path) -> None:
    write(home, "coordinator", {"time": 1, "level": "info", "message": "first", "port": 8000})
    write(home, "worker-1", {"time": 2, "level": "warning", "message": "second"})
    write(home, "coordinator", {"time": 3, "level": "info", "message": "third"})
    lines = run("logs").out.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["first port=8000", "second", "third"]
    assert " worker-1 warning: " in lines[1]


def test_one_component_and_the_newest_lines(run: Any, home: Path) -> None:
    write(home, "coordinator", *({"time": n, "message": f"m{n}"} for n in range(100)))
    write(home, "worker-1", {"time": 1, "message": "w"})
    shown = run("logs", "coordinator", "-n", "2", "--json")
    lines = [json.loads(line) for line in shown.out.splitlines()]
    assert [line["message"] for line in lines] == ["m98", "m99"]
    assert run("logs", "-n", "0").out == ""


def test_a_line_that_is_no_json_is_shown_as_it_is(run: Any, home: Path) -> None:
    write(home, "up", "Segmentation fault", "[1]")
    shown = run("logs").out
    assert "Segmentation fault" in shown
    assert "[1]" in shown


def test_missing_logs_name_what_there_is(run: Any, home: Path) -> None:
    assert "llmlab up" in run("logs").err
    write(home, "coordinator", {"time": 1, "message": "m"})
    shown = run("logs", "worker-9")
    assert shown.code == 1
    assert "there are: coordinator" in shown.err


def test_following_shows_new_lines_rotation_and_new_components(home: Path) -> None:
    path = write(home, "coordinator", {"time": 1, "message": "old"})
    command = [sys.executable, "-P", "-m", "llmlab", "logs", "-f", "--json", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert json.loads(process.stdout.readline())["message"] == "old"
            assert b"Ctrl-C" in process.stderr.readline()
            write(home, "coordinator", {"time": 2, "message": "more"})
            assert json.loads(process.stdout.readline())["message"] == "more"
            path.rename(path.with_name("coordinator.log.1"))
            write(home, "coordinator", {"time": 3, "message": "rotated"})
            assert json.loads(process.stdout.readline())["message"] == "rotated"
            write(home, "worker-1", {"time": 4, "message": "new"})
            assert json.loads(process.stdout.readline())["message"] == "new"
        finally:
            process.terminate()
