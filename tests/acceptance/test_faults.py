"""What breaks, and how the lab is there again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.acceptance.helpers import descendants, llmlab, until, variables

from llmlab.errors import LabError, UnavailableError
from llmlab.protocol.lab import InferenceBody
from llmlab.testing.process import LabProcess

BODY = InferenceBody(prompt="Hello!", model="lab-mini", max_tokens=8, cache=False)


def answers(lab: LabProcess) -> bool:
    with lab.client() as client:
        try:
            return bool(client.inference(BODY).model_name)
        except LabError:
            return False


def test_a_worker_that_is_killed_is_back_and_the_lab_never_stops(tmp_path: Path) -> None:
    with LabProcess(tmp_path / "home") as lab:
        until(lambda: answers(lab))
        worker = descendants(lab.pid, "llmlab worker")[0]
        models = descendants(worker.pid, "llmlab model")
        worker.send_signal(signal.SIGKILL)
        with lab.client() as client:
            assert client.health().role == "coordinator"
            # A request that comes now waits for the new worker; it does not fail.
            assert client.inference(BODY).model_name == "lab-mini"
        assert descendants(lab.pid, "llmlab worker")[0].pid != worker.pid
        psutil.wait_procs(models, timeout=10)
        assert not any(model.is_running() for model in models)


def test_a_model_process_that_is_killed_is_loaded_again(tmp_path: Path) -> None:
    with LabProcess(tmp_path / "home") as lab:
        until(lambda: answers(lab))
        descendants(lab.pid, "llmlab model")[0].send_signal(signal.SIGKILL)
        assert until(lambda: answers(lab), seconds=15)
        assert len(descendants(lab.pid, "llmlab worker")) == 1


def test_a_killed_lab_leaves_no_process_and_starts_again_with_its_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    lab = LabProcess(home)
    with lab:
        with lab.client() as client:
            run = client.inference(BODY).run_id
            # A call is entered into the books once its answer is out.
            assert until(lambda: any(row["id"] == run for row in client.runs()))
        key = lab.key
        children = psutil.Process(lab.pid).children(recursive=True)
        os.kill(lab.pid, signal.SIGKILL)
        _, left = psutil.wait_procs(children, timeout=15)
        assert not left
    assert llmlab(home, "status").returncode == 1
    with LabProcess(home) as again, again.client() as client:
        assert again.key == key
        assert any(row["id"] == run for row in client.runs())


def test_ctrl_c_ends_everything_cleanly(tmp_path: Path) -> None:
    lab = LabProcess(tmp_path / "home")
    lab.start()
    children = psutil.Process(lab.pid).children(recursive=True)
    assert lab.stop() == 0
    assert not any(child.is_running() for child in children)
    assert not (tmp_path / "home" / "run" / "coordinator.json").exists()
    assert lab.output[-1] == "LLM Lab has stopped.\n"


def test_a_lab_in_the_background(tmp_path: Path) -> None:
    home = tmp_path / "home"
    shown = llmlab(home, "up", "--detach", "--port", "0")
    assert shown.returncode == 0, shown.stderr
    assert "LLM Lab is ready at http://127.0.0.1:" in shown.stdout
    try:
        assert llmlab(home, "status").returncode == 0
    finally:
        stopped = llmlab(home, "stop")
    assert stopped.stdout == "LLM Lab has stopped.\n"
    assert llmlab(home, "stop").returncode == 1


def test_a_damaged_model_file_is_named_and_harms_nobody(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name, content in (("noise", os.urandom(5000)), ("cut", b"GGUF\x03\0\0\0" + b"\xff" * 64)):
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(content)
        shown = llmlab(home, "models", "add", str(path))
        assert shown.returncode == 1
        assert path.name in shown.stderr
        assert "Traceback" not in shown.stderr
    assert llmlab(home, "models", "add", str(tmp_path / "missing.gguf")).returncode == 1


def test_a_worker_alone_and_one_that_joins(tmp_path: Path) -> None:
    with LabProcess(tmp_path / "home", "--workers", "0") as lab:
        secret = (lab.home / "node-secret").read_text().strip()
        words = ("worker", "--port", "0", "--name", "desk", "--join", lab.url)
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "llmlab", *words],
            env=variables(tmp_path / "desk") | {"LLMLAB_NODE_SECRET": secret},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                url = process.stdout.readline().split()[-1]
                key = (tmp_path / "desk" / "key").read_text().strip()
                header = {"authorization": f"Bearer {key}"}
                with httpx.Client(base_url=url, headers=header, trust_env=False) as alone:
                    assert alone.get("/health").json()["role"] == "worker"
                    body = json.loads(BODY.model_dump_json())
                    answer = alone.post("/inference", json=body, timeout=60)
                    assert answer.json()["model_name"] == "lab-mini"
                with lab.client() as client:
                    node = until(lambda: _node(client.nodes(), "desk"))
                    assert node.kind == "remote"
                    assert client.inference(BODY).node == "desk"
            finally:
                process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        with lab.client() as client:
            until(lambda: (_node(client.nodes(), "desk") or node).status != "alive")


def _node(nodes: list[Any], name: str) -> Any:
    return next((node for node in nodes if node.name == name), None)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("up", "--workers", "-1"), "workers = -1"),
        (("up", "--host", "256.1.1.1", "--port", "0"), "256.1.1.1"),
    ],
)
def test_a_wrong_start_ends_with_a_message(
    tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    shown = llmlab(tmp_path / "home", *words)
    assert shown.returncode == 1
    assert expected in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_lab_that_cannot_start_says_why_to_its_test(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="workers = -1"):
        LabProcess(tmp_path / "home", "--workers", "-1").start()
