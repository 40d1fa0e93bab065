"""A running lab as curl, a browser and ``llmlab`` see it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance.helpers import descendants, llmlab, variables
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from llmlab.testing.process import LabProcess

QUESTION = "What is 25 * 67?"
Command = Callable[..., subprocess.CompletedProcess[str]]


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def test_a_sum_is_answered_by_the_calculator(http: httpx.Client) -> None:
    result = http.post("/chat", json={"message": QUESTION, "cache": False}).json()
    assert "1675" in result["answer"]
    assert result["plan"][0]["tool"] == "calculator"
    step = next(step for step in result["steps"] if step["tool"] == "calculator")
    assert "1675" in json.dumps(step["output"])
    tasks = http.get("/api/tasks").json()["tasks"]
    mine = [task for task in tasks if task["run_id"] == result["run_id"]]
    assert "calculator" in [task["assignee"] for task in mine]
    assert http.get("/api/v1/tasks").json()["tasks"][0]["run_id"] == tasks[0]["run_id"]


def test_a_streamed_chat_sends_plan_steps_tokens_and_the_end(http: httpx.Client) -> None:
    with http.stream("POST", "/chat", json={"message": QUESTION, "stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = events_of(answer.read().decode())
    kinds = [event["type"] for event in events]
    assert kinds[0] == "run"
    assert kinds[-1] == "done"
    assert kinds.index("plan") < kinds.index("token") < len(kinds) - 1
    assert "calculator" in [event["step"]["tool"] for event in events if event["type"] == "step"]
    assert "1675" in events[-1]["answer"]


def test_a_websocket_sends_the_same_events(lab: LabProcess) -> None:
    url = lab.url.replace("http", "ws") + "/ws/chat"
    key = {"authorization": f"Bearer {lab.key}"}
    with connect(url, additional_headers=key, proxy=None) as socket:
        socket.send(json.dumps({"message": QUESTION}))
        kinds = []
        while "done" not in kinds:
            kinds.append(json.loads(socket.recv(timeout=30))["type"])
    assert kinds[0] == "run"
    assert "plan" in kinds


def test_a_websocket_without_key_or_from_another_page_is_closed(lab: LabProcess) -> None:
    url = lab.url.replace("http", "ws") + "/ws/chat"
    foreign = {"authorization": f"Bearer {lab.key}", "origin": "http://evil.example"}
    for headers in ({}, foreign):
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(url, additional_headers=headers, proxy=None),
        ):
            pass
        assert refused.value.response.status_code == 403


def test_a_session_remembers(http: httpx.Client) -> None:
    first = http.post("/chat", json={"message": "Hello!"}).json()
    assert first["session_id"]
    again = http.post(
        "/chat", json={"message": "Hello again!", "session_id": first["session_id"]}
    ).json()
    assert again["session_id"] == first["session_id"]


def test_a_plan_alone_runs_nothing(http: httpx.Client, command: Command) -> None:
    result = http.post("/chat", json={"message": QUESTION, "dry_run": True}).json()
    assert result["plan"][0]["tool"] == "calculator"
    assert not any(step["kind"] == "tool" for step in result["steps"])
    shown = command("chat", "--plan", QUESTION)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("1. calculator(")


def test_the_command_answers(command: Command) -> None:
    shown = command("chat", QUESTION)
    assert shown.returncode == 0, shown.stderr
    assert "1675" in shown.stdout
    assert "1675" in command("chat", "--json", QUESTION).stdout
    assert "1675" in command("chat", input=QUESTION).stdout


@pytest.mark.parametrize("words", [("status",), ("models",), ("nodes",), ("cache",), ("runs",)])
def test_the_commands_show_the_lab(command: Command, words: tuple[str, ...]) -> None:
    plain, as_json = command(*words), command(*words, "--json")
    assert plain.returncode == as_json.returncode == 0, plain.stderr + as_json.stderr
    assert plain.stdout
    assert json.loads(as_json.stdout)


def test_the_demo_model_is_called_one(command: Command) -> None:
    assert "demo model" in command("models").stdout
    assert "lab-mini (demo model)" in command("status").stdout


def test_a_model_is_unloaded_and_loaded(command: Command) -> None:
    assert command("models", "load", "lab-mini").returncode == 0
    assert command("models", "unload", "lab-mini").stdout == "Unloaded lab-mini.\n"
    loaded = command("models", "load", "lab-mini", "--strategy", "optimized")
    assert "optimized" in loaded.stdout
    assert command("models", "unload", "--all").returncode == 0


def test_a_run_is_shown_step_by_step(http: httpx.Client, command: Command) -> None:
    run = http.post("/chat", json={"message": QUESTION}).json()["run_id"]
    shown = command("runs", run)
    assert "calculator" in shown.stdout
    assert run in command("runs").stdout
    stored = events_of(http.get(f"/api/runs/{run}/events").text)
    assert [event["type"] for event in stored][-1] == "done"


def test_a_prompt_has_the_record_of_its_execution(http: httpx.Client) -> None:
    body = {"prompt": "Hello!", "model": "lab-mini", "max_tokens": 8}
    for path in ("/inference", "/api/v1/execute"):
        result = http.post(path, json=body).json()
        assert result["model_name"] == "lab-mini"
        assert result["strategy"] == "standard"
        assert result["total_time_sec"] >= 0


def test_curl_gets_an_answer(lab: LabProcess) -> None:
    body = {"model": "lab-mini", "messages": [{"role": "user", "content": "Hello!"}]}
    done = subprocess.run(
        [
            *("curl", "-sS", "--noproxy", "*", f"{lab.url}/v1/chat/completions"),
            *("-H", f"Authorization: Bearer {lab.key}", "-H", "Content-Type: application/json"),
            *("-d", json.dumps(body)),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["choices"][0]["message"]["content"]


@pytest.mark.parametrize("name", ["curl.sh", "openai_package.py"])
def test_the_examples_run(lab: LabProcess, name: str) -> None:
    script = Path(__file__).parents[2] / "examples" / name
    words = ["bash", str(script)] if name.endswith(".sh") else [sys.executable, str(script)]
    given = {
        "LLMLAB_URL": lab.url,
        "LLMLAB_API_KEY": lab.key,
        "OPENAI_BASE_URL": f"{lab.url}/v1",
        "OPENAI_API_KEY": lab.key,
    }
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=variables(lab.home) | given,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_workers_and_models_have_names_in_ps(lab: LabProcess, command: Command) -> None:
    command("models", "load", "lab-mini")
    assert descendants(lab.pid, "llmlab worker")
    assert descendants(lab.pid, "llmlab model")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", b"{", 400),
        ("/v1/chat/completions", b"[]", 400),
        ("/v1/chat/completions", b'{"model": "lab-mini", "messages": "hello"}', 400),
        ("/v1/chat/completions", b'{"model": "lab-mini", "messages": [], "n": "x"}', 400),
        ("/v1/completions", b'{"model": 1, "prompt": "x"}', 400),
        ("/v1/embeddings", b'{"model": "lab-mini"}', 400),
        ("/chat", b'{"message": ""}', 400),
        ("/chat", b"[" * 50_000, 400),
        ("/inference", b'{"prompt": "x", "max_tokens": 0}', 400),
        ("/v1/chat/completions", b" " * 10_000_001, 413),
        ("/no-such-route", b"{}", 404),
    ],
)
def test_bad_input_gets_openais_error_shape(
    http: httpx.Client, path: str, body: bytes, status: int
) -> None:
    answer = http.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) >= {"message", "type", "code", "param"}
    assert len(error["message"]) > 10


def test_strangers_stay_outside(lab: LabProcess) -> None:
    with httpx.Client(base_url=lab.url, trust_env=False) as stranger:
        assert stranger.get("/health").status_code == 200
        for path in ("/models", "/metrics", "/api/nodes", "/v1/models", "/cache"):
            assert stranger.get(path).status_code == 401
        rebound = stranger.get("/health", headers={"host": "evil.example"})
        assert rebound.status_code == 403


def test_signing_in_gives_a_cookie(lab: LabProcess) -> None:
    with httpx.Client(base_url=lab.url, trust_env=False) as browser:
        assert browser.post("/api/session", json={"key": "lab-wrong"}).status_code == 401
        signed = browser.post("/api/session", json={"key": lab.key})
        assert signed.status_code < 300
        assert "httponly" in signed.headers["set-cookie"].lower()
        assert browser.get("/api/nodes").status_code == 200
        foreign = browser.get("/api/nodes", headers={"origin": "http://evil.example"})
        assert foreign.status_code == 403
        browser.delete("/api/session")
        assert browser.get("/api/nodes").status_code == 401


def test_metrics_and_documentation(http: httpx.Client) -> None:
    assert "llmlab" in http.get("/metrics").text
    paths = http.get("/openapi.json").json()["paths"]
    assert {"/v1/chat/completions", "/chat", "/inference", "/models"} <= set(paths)


def test_a_second_lab_in_the_same_home_is_refused(lab: LabProcess) -> None:
    shown = llmlab(lab.home, "up")
    assert shown.returncode == 1
    assert "already running" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_port_in_use_is_told(lab: LabProcess, tmp_path: Path) -> None:
    shown = llmlab(tmp_path, "up", "--port", lab.url.rpartition(":")[2])
    assert shown.returncode == 1
    assert shown.stderr.count("\n") == 1
    assert "another port" in shown.stderr


def test_logs_hold_no_secret(lab: LabProcess, command: Command) -> None:
    assert command("logs", "-n", "5").stdout
    for path in (lab.home / "logs").glob("*.log*"):
        text = path.read_text()
        assert lab.key not in text
        assert (lab.home / "node-secret").read_text().strip() not in text
