"""The worker as a process: it starts, serves, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from aiohttp import web

from llmlab.models.catalog import ModelCatalog
from llmlab.protocol.mesh import FromNode, Join, Joined, Leave, from_node
from llmlab.testing.tiny_gguf import write_tiny_gguf

KEY = "lab-test-key"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    model = write_tiny_gguf(tmp_path / "tiny.gguf")
    ModelCatalog(tmp_path / "home").add(model, "tiny")
    return tmp_path / "home"


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Process:
    def __init__(self, home: Path, *arguments: str, port: int = 0) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LLMLAB_")}
        environment = inherited | {
            "LLMLAB_HOME": str(home),
            "LLMLAB_API_KEY": KEY,
            "LLMLAB_DETECT": "false",
            "LLMLAB_MODEL": "tiny",
        }
        self.port = port or free_port()
        command = [sys.executable, "-m", "llmlab.worker", "--name", "w1", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *arguments],
            env=environment,
            cwd=home,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=30,
        )

    def health(self) -> dict[str, object] | None:
        try:
            return self.client.get("/health").json()
        except httpx.TransportError:
            assert self.process.poll() is None
            return None

    def ready(self) -> Process:
        until(lambda: (self.health() or {}).get("status") == "ok")
        return self

    def models(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def close(self) -> None:
        self.client.close()
        for stream in (self.process.stdin, self.process.stderr):
            if stream is not None:
                stream.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(home: Path, *arguments: str, port: int = 0) -> Iterator[Process]:
    process = Process(home, *arguments, port=port)
    try:
        yield process
    finally:
        process.close()


def gone(processes: list[psutil.Process]) -> bool:
    return not any(
        each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes
    )


def test_starts_answers_and_ends(home: Path) -> None:
    with running(home) as worker:
        worker.ready()
        body = {"prompt": "hi", "max_tokens": 3}
        assert worker.client.post("/inference", json=body).json()["tokens_generated"] == 3
        assert psutil.Process(worker.process.pid).cmdline()[0].startswith("llmlab worker w1")
        models = worker.models()
        assert any("llmlab model" in " ".join(model.cmdline()) for model in models)
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(10) == 0
        assert gone(models)
    log = (home / "logs" / "w1.log").read_text()
    assert "worker is ready" in log
    assert KEY not in log
    assert (home / "node-secret").stat().st_mode & 0o777 == 0o600


def test_a_child_ends_with_its_parent(home: Path) -> None:
    with running(home, "--child") as worker:
        worker.ready()
        until(worker.models)
        models = worker.models()
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        assert worker.process.wait(10) == 0
        assert gone(models)


def test_a_killed_worker_leaves_no_model_behind(home: Path) -> None:
    with running(home) as worker:
        worker.ready()
        until(worker.models)
        models = worker.models()
        worker.process.kill()
        worker.process.wait(10)
        until(lambda: gone(models), 5)


def test_a_stream_ends_when_the_worker_does(home: Path) -> None:
    with running(home) as worker:
        worker.ready()
        body = {"model": "tiny", "prompt": "hi", "max_tokens": 100_000, "stream": True}
        with (
            worker.client.stream("POST", "/v1/completions", json=body) as answer,
            contextlib.suppress(httpx.TransportError),
        ):
            for number, _ in enumerate(answer.iter_lines()):
                if number == 3:
                    worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(10) == 0


def test_what_stops_the_start_is_said(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with running(home, port=other.getsockname()[1]) as worker:
            _, complaint = worker.process.communicate(timeout=20)
    assert worker.process.returncode == 1
    assert "another program uses it" in complaint

    with running(home, "--name", "../w") as worker:
        _, complaint = worker.process.communicate(timeout=20)
    assert worker.process.returncode == 1
    assert "cannot name a worker" in complaint

    (home / "models.json").write_text("{")
    with running(home) as worker:
        _, complaint = worker.process.communicate(timeout=20)
    assert worker.process.returncode == 1
    assert "models.json" in complaint
    assert "Traceback" not in complaint


class Lab:
    """A coordinator's end of the line."""

    def __init__(self) -> None:
        self.seen: list[FromNode] = []

    async def join(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            self.seen.append(from_node.validate_json(message.data))
            if isinstance(self.seen[-1], Join):
                joined = Joined(node_id="node_1", heartbeat_interval=0.05)
                await socket.send_str(joined.model_dump_json())
        return socket

    @contextlib.asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/ws/join", self.join)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield
        finally:
            await runner.cleanup()

    def joins(self) -> list[Join]:
        return [event for event in self.seen if isinstance(event, Join)]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                await asyncio.sleep(0.02)


async def test_serves_without_its_coordinator_and_joins_again(home: Path) -> None:
    lab, port = Lab(), free_port()
    with running(home, "--child", "--coordinator", f"http://127.0.0.1:{port}") as worker:
        async with lab.listening(port):
            await lab.until(lab.joins)
        (join,) = lab.joins()
        assert (join.name, join.kind, join.pid) == ("w1", "local", worker.process.pid)
        assert join.url == f"http://127.0.0.1:{worker.port}"
        assert (worker.health() or {})["instance_id"] == join.instance_id
        body = {"prompt": "hi", "max_tokens": 2}
        answer = await asyncio.to_thread(worker.client.post, "/inference", json=body)
        assert answer.status_code == 200
        async with lab.listening(port):
            await lab.until(lambda: len(lab.joins()) == 2)
            assert lab.joins()[-1].epoch > join.epoch
            worker.process.send_signal(signal.SIGTERM)
            await lab.until(lambda: isinstance(lab.seen[-1], Leave))
        assert await asyncio.to_thread(worker.process.wait, 10) == 0
