"""The command as a whole: help, usage, and how errors are told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmlab.cli.main import COMMANDS

HEAVY = {"rich", "pydantic", "httpx", "yaml", "psutil", "fastapi", "langgraph", "sqlalchemy"}


def test_help_lists_every_command(run: Any) -> None:
    shown = run("--help")
    assert shown.code == 0
    assert all(f"\n  {name} " in shown.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Any, command: str) -> None:
    shown = run(command, "-h")
    assert shown.code == 0
    assert f"Usage: llmlab {command}" in shown.out


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from llmlab.cli.main import main\n"
        "try: main(['--help'])\n"
        "finally: print('LOADED', *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.partition("LOADED")[2].split())
    assert not loaded & HEAVY


def test_version(run: Any) -> None:
    shown = run("--version")
    assert (shown.code, shown.out.split()[0]) == (0, "llmlab")


@pytest.mark.parametrize(
    "words",
    [("frobnicate",), ("models", "frobnicate"), ("models", "unload"), ("runs", "--limit", "x")],
)
def test_wrong_usage_exits_with_2_and_no_traceback(run: Any, words: tuple[str, ...]) -> None:
    shown = run(*words)
    assert shown.code == 2
    assert "Error: " in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("command", ["status", "models", "nodes", "cache", "runs"])
def test_without_a_lab_two_lines_say_what_to_do(run: Any, command: str) -> None:
    shown = run(command)
    assert shown.code == 1
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 2
    assert "llmlab up" in shown.err


def test_a_wrong_key_is_told(run: Any, lab: Any, home: Path) -> None:
    (home / "key").write_text("lab-another\n")
    shown = run("nodes")
    assert (shown.code, shown.err) == (1, "Error: Wrong key.\n")


def test_a_wrong_setting_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMLAB_PORT", "eight thousand")
    shown = run("up")
    assert shown.code == 1
    assert shown.err.startswith("Error: port = 'eight thousand' (LLMLAB_PORT)")


def test_a_home_folder_that_is_a_file_is_told_in_one_line(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown = run("key", "--home", str(tmp_path / "file" / "below"))
    assert shown.code == 1
    assert len(shown.err.splitlines()) == 1
    assert str(tmp_path / "file") in shown.err


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "llmlab", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("llmlab ")


@pytest.mark.parametrize("address", ["elsewhere", "ftp://elsewhere", "http://a:99999"])
def test_a_worker_is_told_that_an_address_is_none(run: Any, address: str) -> None:
    shown = run("worker", "--join", address, "--port", "0")
    assert shown.code == 1
    assert "looks like http://" in shown.err
