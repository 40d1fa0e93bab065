"""The commands that ask a running lab, against one that answers from a table."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from llmlab.testing.hub import HubServer
from llmlab.testing.tiny_gguf import write_tiny_gguf

MODEL = {
    "id": "lab-mini",
    "engine": "llama_cpp",
    "digest": "d",
    "context_length": 2048,
    "size_bytes": 5_000_000,
    "loaded": True,
    "demo": True,
}
LOADED = {
    "model": "lab-mini",
    "strategy": "standard",
    "engine": "llama_cpp",
    "memory_bytes": 60_000_000,
    "in_flight": 0,
    "loaded_at": 1.0,
    "last_used": 2.0,
    "load_time_sec": 0.31,
    "node": "worker-1",
}
NODE = {
    "id": "node_1",
    "name": "worker-1",
    "kind": "local",
    "status": "alive",
    "url": "http://127.0.0.1:1",
    "version": "0.1.0",
    "models": [MODEL],
    "tools": ["calculator"],
    "load": {"in_flight": 1, "memory_used": 60_000_000, "memory_budget": 10**9},
    "last_seen": 0.25,
}
HEALTH = {
    "status": "ok",
    "role": "coordinator",
    "version": "0.1.0",
    "instance_id": "i" * 12,
    "uptime_seconds": 4000,
}
CACHE = {
    "entries": 3,
    "bytes": 4000,
    "max_bytes": 64_000_000,
    "hits": 3,
    "misses": 1,
    "coalesced": 2,
    "evictions": 0,
    "expired": 0,
    "hit_rate": 0.75,
}
STEP = {
    "run_id": "run_1",
    "key": "step-1",
    "kind": "tool",
    "status": "done",
    "tool": "calculator",
    "node": "coordinator",
    "assignee": "calculator",
    "cache_hit": False,
    "started_at": 5.0,
    "seconds": 0.002,
    "output": {"result": 1675},
    "error": None,
}
RUN = {
    "id": "run_1",
    "kind": "chat",
    "status": "done",
    "model": "lab-mini",
    "created_at": 5.0,
    "seconds": 75.0,
    "steps": [STEP],
}


@pytest.fixture(autouse=True)
def _answers(lab: Any) -> None:
    lab.answers |= {
        "GET /health": HEALTH,
        "GET /models": {"models": [MODEL]},
        "GET /cache": {"models": [LOADED], "memory_used": 60_000_000, "memory_budget": 10**9},
        "POST /cache/clear": {"unloaded": []},
        "DELETE /cache/lab-mini": {"unloaded": ["lab-mini"]},
        "POST /models/load": LOADED,
        "GET /api/nodes": {"nodes": [NODE]},
        "GET /api/cache/stats": CACHE,
        "POST /api/cache/clear": {"removed": 3},
        "GET /api/runs": {"runs": [RUN]},
        "GET /api/runs/run_1": RUN,
    }


def test_status_names_the_demo_model_as_one(run: Any, lab: Any) -> None:
    shown = run("status")
    assert shown.code == 0
    assert lab.url in shown.out
    assert "lab-mini (demo model)" in shown.out
    assert "1 h 6 min" in shown.out
    assert run("status", "--json").json["loaded"]["models"][0]["model"] == "lab-mini"


def test_models_are_listed_under_headings(run: Any) -> None:
    lines = run("models").out.splitlines()
    assert lines[0].split() == ["MODEL", "ENGINE", "SIZE", "CONTEXT", "MEMORY", "NOTES"]
    assert "demo model" in lines[1]
    assert run("models", "list").out.splitlines() == lines
    assert run("models", "--json").json["models"][0]["id"] == "lab-mini"


def test_a_model_is_loaded(run: Any, lab: Any) -> None:
    shown = run("models", "load", "lab-mini", "--strategy", "optimized")
    assert shown.out == "lab-mini is in memory on worker-1: 60 MB, standard, loaded in 310 ms.\n"
    assert lab.asked[-1][1] == {"model": "lab-mini", "strategy": "optimized"}
    assert run("models", "load", "lab-mini", "--json").json["memory_bytes"] == 60_000_000


def test_an_unknown_strategy_is_refused_before_the_lab_is_asked(run: Any, lab: Any) -> None:
    shown = run("models", "load", "lab-mini", "--strategy", "fast")
    assert shown.code == 1
    assert "standard or optimized" in shown.err
    assert not lab.asked


def test_models_are_unloaded(run: Any) -> None:
    assert run("models", "unload", "lab-mini").out == "Unloaded lab-mini.\n"
    assert "Nothing" in run("models", "unload", "--all").err
    assert run("models", "unload", "--all", "--json").json == {"unloaded": []}


def test_the_labs_refusal_is_shown(run: Any, lab: Any) -> None:
    lab.fail("POST /models/load", 404, "There is no model tea. There are: lab-mini.")
    shown = run("models", "load", "tea")
    assert (shown.code, shown.err) == (1, "Error: There is no model tea. There are: lab-mini.\n")


def test_nodes(run: Any) -> None:
    line = run("nodes").out.splitlines()[1]
    assert line.split()[:4] == ["worker-1", "local", "alive", "lab-mini"]
    assert "250 ms ago" in line
    assert run("nodes", "--json").json["nodes"][0]["name"] == "worker-1"


def test_an_empty_list_says_so_on_stderr(run: Any, lab: Any) -> None:
    lab.answers["GET /api/nodes"] = {"nodes": []}
    shown = run("nodes")
    assert (shown.out, shown.err) == ("", "The lab has no nodes.\n")


def test_cache_figures(run: Any) -> None:
    assert "75%" in run("cache").out
    assert run("cache", "stats", "--json").json["hits"] == 3
    assert run("cache", "clear").out == "The response cache is empty.\n"
    assert run("cache", "clear", "--json").json == {"removed": 3}


def test_runs_and_one_run(run: Any, lab: Any) -> None:
    assert run("runs", "-n", "7").out.splitlines()[1].split()[:4] == [
        "run_1",
        "chat",
        "done",
        "lab-mini",
    ]
    assert lab.asked[-1][0] == "GET /api/runs?limit=7"
    shown = run("runs", "run_1").out
    assert "calculator" in shown
    assert "1 min 15 s" in shown
    assert run("runs", "--json").json["runs"][0]["id"] == "run_1"
    assert run("runs", "run_1", "--json").json["id"] == "run_1"


def test_hostile_names_do_not_steer_the_terminal(run: Any, lab: Any) -> None:
    lab.answers["GET /models"] = {"models": [MODEL | {"id": "bad\x1b[2J\u202ename"}]}
    assert "bad[2Jname" in run("models").out


def test_an_answer_of_another_program_is_told(run: Any, lab: Any) -> None:
    lab.answers["GET /api/nodes"] = "<html>"
    shown = run("nodes")
    assert shown.code == 1
    assert "no LLM Lab" in shown.err


class Terminal(io.StringIO):
    """Standard output or error as a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_tables_and_styles(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    run("models")
    run("status")
    shown = screen.getvalue()
    assert "───" in shown
    assert "\x1b[1m" in shown
    assert "demo model" in shown


def test_a_terminal_shows_errors_and_remarks(
    run: Any, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert run("models", "load", "lab-mini").code == 0
    run("models", "unload", "--all")
    lab.fail("GET /api/nodes", 503, "Nobody.\nWait a little.")
    assert run("nodes").code == 1
    shown = screen.getvalue()
    assert "Loading lab-mini" in shown
    assert "Nothing was in memory" in shown
    assert "Error: " in shown
    assert "Wait a little." in shown


def test_a_model_file_is_added_and_removed(run: Any, lab: Any, tmp_path: Path) -> None:
    lab.answers["GET /models"] = {"models": [MODEL | {"id": "mine"}, MODEL | {"id": "tiny"}]}
    path = tmp_path / "tiny.gguf"
    write_tiny_gguf(path)
    assert run("models", "add", str(path), "--name", "mine").out.startswith("Added mine (")
    assert run("models", "add", str(path), "--json").json["model"] == "tiny"
    assert "was not pulled" in run("models", "remove", "mine", "--delete").err
    assert run("models", "remove", "mine").code == 0
    assert path.is_file()
    assert "no model" in run("models", "remove", "mine").err


def test_pulls_a_model_from_the_hub(
    run: Any, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.answers["GET /models"] = {"models": [MODEL | {"id": "mine"}, MODEL | {"id": "tiny-Q8_0"}]}
    write_tiny_gguf(tmp_path / "tiny.gguf")
    files = {"tiny-Q8_0.gguf": (tmp_path / "tiny.gguf").read_bytes()}
    with HubServer({"owner/tiny-GGUF": files}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        shown = run("models", "pull", "owner/tiny-GGUF", "--name", "mine")
        assert shown.out.startswith("Added mine (")
        assert "tiny-Q8_0.gguf" in shown.err
        told = run("models", "pull", "owner/tiny-GGUF:Q8_0", "--json").json
        assert (told["model"], told["repository"]) == ("tiny-Q8_0", "owner/tiny-GGUF")
        assert Path(told["path"]).is_file()
        assert "no repository" in run("models", "pull", "owner/other").err
    assert run("models", "remove", "mine").code == 0
    assert Path(told["path"]).is_file()
    assert "and its file" in run("models", "remove", "tiny-Q8_0", "--delete").out
    assert not Path(told["path"]).exists()
    assert "Check the network" in run("models", "pull", "owner/tiny-GGUF").err
    assert run("models", "pull").code == 2


def test_a_pulled_model_is_deleted_behind_a_link_too(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    write_tiny_gguf(tmp_path / "tiny.gguf")
    files = {"tiny.gguf": (tmp_path / "tiny.gguf").read_bytes()}
    with HubServer({"owner/tiny-GGUF": files}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert run("models", "pull", "owner/tiny-GGUF", "--home", str(link)).code == 0
    removed = run("models", "remove", "tiny", "--delete", "--home", str(link))
    assert removed.out == "Removed tiny and its file.\n"


def test_an_added_model_can_be_used_at_once(run: Any, lab: Any, tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_tiny_gguf(path)
    told = iter([[MODEL], [MODEL], [MODEL, MODEL | {"id": "tiny"}]])
    lab.answers["GET /models"] = lambda: {"models": next(told)}
    assert run("models", "add", str(path)).out.startswith("Added tiny (")
    assert not list(told)


def test_a_model_is_added_whatever_the_lab_says(run: Any, lab: Any, tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_tiny_gguf(path)
    lab.fail("GET /models", 500, "Not now.")
    shown = run("models", "add", str(path))
    assert (shown.code, shown.err) == (0, "")


def test_a_terminal_sees_how_far_the_reading_is(
    run: Any, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.answers["GET /models"] = {"models": [MODEL | {"id": "tiny"}]}
    path = tmp_path / "tiny.gguf"
    write_tiny_gguf(path)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert run("models", "add", str(path)).code == 0
    assert "Reading tiny.gguf" in screen.getvalue()
