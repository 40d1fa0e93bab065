"""Starting the lab: what is refused, and what is said when it is ready."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmlab.api import serve as serving
from llmlab.settings import Settings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Stand in for the coordinator: ready at once, and ended at once."""
    seen: list[Settings] = []

    def serve(settings: Settings, *, on_ready: Callable[[str], None]) -> None:
        seen.append(settings)
        on_ready(f"http://127.0.0.1:{settings.port}")

    monkeypatch.setattr(serving, "serve", serve)
    return seen


def test_options_reach_the_settings(run: Any, served: list[Settings], tmp_path: Path) -> None:
    shown = run(
        *("up", "--port", "8123", "--workers", "2", "--model", "big", "--lan"),
        *("--external", "http://a:1", "--external", "http://b:2", "--home", str(tmp_path / "h")),
    )
    assert shown.code == 0
    settings = served[0]
    assert (settings.port, settings.workers, settings.model, settings.lan) == (8123, 2, "big", True)
    assert settings.external_nodes == ("http://a:1", "http://b:2")
    assert settings.home_folder == tmp_path / "h"


def test_readiness_shows_address_key_and_what_to_try(
    run: Any, served: list[Settings], home: Path
) -> None:
    key = run("key").out.strip()
    shown = run("up")
    lines = shown.out.splitlines()
    assert lines[0] == "LLM Lab is ready at http://127.0.0.1:8000"
    assert key in lines[1]
    assert "demo model" in lines[2]
    assert 'chat "What is 25 * 67?"' in shown.out
    assert lines[-1] == "LLM Lab has stopped."


@pytest.mark.parametrize(("there", "warns"), [("small", True), ("big", False)])
def test_a_default_model_that_no_node_has_yet_is_told(
    run: Any, served: list[Settings], lab: Any, home: Path, there: str, warns: bool
) -> None:
    (home / "run" / "coordinator.json").unlink()
    lab.answers["GET /models"] = {"models": [{"id": there, "engine": "llama.cpp"}]}
    shown = run("up", "--model", "big", "--port", lab.url.rpartition(":")[2])
    assert shown.code == 0
    assert ("No node has 'big' so far; they have small." in shown.out) == warns
    assert ("models pull OWNER/NAME" in shown.out) == warns


def test_another_home_folder_is_part_of_the_advice(
    run: Any, served: list[Settings], tmp_path: Path
) -> None:
    run("key", "--home", str(tmp_path / "my lab"))
    shown = run("up", "--home", str(tmp_path / "my lab"), "--model", "big")
    assert f"--home '{tmp_path / 'my lab'}'" in shown.out
    assert "demo" not in shown.out


def test_a_second_lab_with_the_same_home_is_refused(run: Any, lab: Any) -> None:
    shown = run("up")
    assert shown.code == 1
    assert f"already running at {lab.url} (process {os.getpid()})" in shown.err
    assert len(shown.err.splitlines()) == 2


@pytest.mark.parametrize("options", [(), ("--detach",)])
def test_a_port_in_use_is_told_in_one_line(run: Any, options: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        shown = run("up", "--port", str(number), *options)
    assert shown.code == 1
    assert shown.out == ""
    assert shown.err.startswith(f"Error: Cannot listen on 127.0.0.1 port {number}")
    assert len(shown.err.splitlines()) == 1


def test_a_worker_says_where_it_is(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmlab.worker import main as worker

    seen: dict[str, Any] = {}

    def run_worker(settings: Settings, **given: Any) -> None:
        seen.update(given, settings=settings)
        given["on_ready"]("http://127.0.0.1:8001")

    monkeypatch.setattr(worker, "run_worker", run_worker)
    shown = run("worker", "--join", "http://lab:8000", "--name", "desk", "--port", "0")
    assert "ready at http://127.0.0.1:8001" in shown.out
    assert (seen["name"], seen["coordinator_url"]) == ("desk", "http://lab:8000")
    assert seen["settings"].worker_port == 0
