"""Local workers are started, restarted and stopped; small scripts stand in for them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmlab.cluster import pool as pool_module
from llmlab.cluster.nodes import NodeRegistry
from llmlab.cluster.pool import WorkerPool, worker_environment
from llmlab.protocol.mesh import Join
from llmlab.settings import Settings
from llmlab.types import NodeKind

PATIENT = "import sys; sys.stdin.read()"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " print('armed', flush=True); time.sleep(60)"
)
NOTES = (
    "import os, pathlib, sys; here = pathlib.Path(os.environ['LLMLAB_HOME']);"
    " name = sys.argv[sys.argv.index('--name') + 1];"
    " (here / name).write_text(' '.join(sys.argv[1:])); sys.stdin.read()"
)
DEADLINE = 10.0


def a_pool(home: Path, script: str, *, workers: int = 1) -> WorkerPool:
    return WorkerPool(
        NodeRegistry(timeout=5.0),
        Settings.from_dict({"home": home, "workers": workers}),
        coordinator_url="http://127.0.0.1:1",
        node_secret="node-secret-of-a-test",
        api_key="lab-key-of-a-test",
        command=(sys.executable, "-c", script),
    )


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_workers_are_started_by_name_and_stopped(tmp_path: Path) -> None:
    pool = a_pool(tmp_path, NOTES, workers=2)
    pool.start()
    await pool.spawned()
    assert set(pool.pids) == {"worker-1", "worker-2"}
    assert pool.nodes.expected == {"worker-1", "worker-2"}
    await until(lambda: (tmp_path / "worker-1").exists() and (tmp_path / "worker-2").exists())
    await until((tmp_path / "worker-2").read_text)
    assert "--port 0 --coordinator http://127.0.0.1:1" in (tmp_path / "worker-2").read_text()
    await pool.stop()
    assert pool.pids == {}
    assert pool.restarts == 0


async def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    pool = a_pool(tmp_path, PATIENT)
    pool.start()
    await pool.spawned()
    first = pool.pids["worker-1"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: pool.pids.get("worker-1", first) != first)
    assert pool.restarts == 1
    assert pool.nodes.expected == {"worker-1"}
    await pool.stop()


async def test_a_worker_that_had_joined_is_hoped_for_however_often_it_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(pool_module, "HOPELESS", 1)
    pool = a_pool(tmp_path, PATIENT)
    pool.start()
    for count in range(3):
        await until(lambda: pool.pids)
        pid = pool.pids["worker-1"]
        node = pool.nodes.join(
            Join(
                kind=NodeKind.LOCAL,
                name="worker-1",
                instance_id=f"instance-{count}",
                epoch=1,
                pid=pid,
            )
        )
        os.kill(pid, signal.SIGKILL)
        pool.nodes.lose(node)
        await until(lambda count=count: pool.restarts == count + 1)
        assert pool.nodes.expected == {"worker-1"}
    await pool.stop()


async def test_a_worker_that_dies_at_once_is_not_hoped_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(pool_module, "HOPELESS", 2)
    pool = a_pool(tmp_path, "raise SystemExit('no')")
    pool.start()
    await until(lambda: pool.restarts >= 2 and not pool.nodes.expected)
    await pool.stop()
    assert "no" in (tmp_path / "logs" / "worker-1.err").read_text()


async def test_a_worker_that_cannot_be_started_does_not_end_the_lab(tmp_path: Path) -> None:
    pool = WorkerPool(
        NodeRegistry(timeout=5.0),
        Settings.from_dict({"home": tmp_path}),
        coordinator_url="http://127.0.0.1:1",
        node_secret="n",
        api_key="k",
        command=(str(tmp_path / "missing"),),
    )
    pool.start()
    await pool.spawned()
    assert pool.pids == {}
    await pool.stop()


async def test_a_worker_that_does_not_listen_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_PATIENCE", 0.2)
    pool = a_pool(tmp_path, STUBBORN)
    pool.start()
    await pool.spawned()
    log = tmp_path / "logs" / "worker-1.err"
    await until(lambda: "armed" in log.read_text())
    await pool.stop()
    assert pool.pids == {}


async def test_stopping_twice_is_fine(tmp_path: Path) -> None:
    pool = a_pool(tmp_path, PATIENT)
    pool.start()
    await pool.stop()
    await pool.stop()
    assert pool.pids == {}


def test_workers_are_told_the_settings_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMLAB_WORKER_PORT", "1")
    monkeypatch.setenv("PLAIN", "stays")
    settings = Settings.from_dict(
        {
            "home": tmp_path,
            "model_folders": ["/a", "/b"],
            "detect": False,
            "openai_api_base": "http://box/v1",
            "openai_api_key": "sk-secret",
        }
    )
    environment = worker_environment(settings, "node-x", "lab-x")
    assert environment["LLMLAB_HOME"] == str(tmp_path)
    assert environment["LLMLAB_MODEL_FOLDERS"] == "/a,/b"
    assert environment["LLMLAB_DETECT"] == "false"
    assert environment["LLMLAB_WORKER_PORT"] == "8001"
    assert environment["LLMLAB_NODE_SECRET"] == "node-x"
    assert environment["LLMLAB_API_KEY"] == "lab-x"
    assert environment["PLAIN"] == "stays"
    assert "LLMLAB_OPENAI_API_KEY" not in environment


def test_the_pool_of_a_home_has_its_secrets(tmp_path: Path) -> None:
    settings = Settings.from_dict({"home": tmp_path, "workers": 0})
    pool = WorkerPool.of(settings, coordinator_url="http://127.0.0.1:1")
    assert pool.pids == {}
    for name in ("key", "node-secret", "cache-secret"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
