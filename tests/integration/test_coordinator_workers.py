"""The coordinator over real worker processes, which run a real (tiny) model."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.integration.labs import Lab, running_lab

from llmlab.models.catalog import ModelCatalog
from llmlab.testing.tiny_gguf import write_tiny_gguf


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    home = tmp_path / "home"
    # Large enough that an answer of many tokens lasts longer than a few heartbeats.
    model = write_tiny_gguf(tmp_path / "tiny.gguf", layers=6, width=256)
    ModelCatalog(home).add(model, "tiny")
    async with running_lab(home, workers=1, model="tiny", heartbeat_interval=0.1) as lab:
        await lab.until_served("tiny")
        yield lab


async def loaded(lab: Lab) -> list[str]:
    return [row["model"] for row in (await lab.client.get("/cache")).json()["models"]]


def worker_processes() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if "llmlab worker" in " ".join(child.cmdline())]


async def test_a_lab_with_a_worker(lab: Lab) -> None:
    await check_prompts(lab)
    await check_models(lab)
    await check_overflow(lab)
    await check_restart(lab)


async def check_prompts(lab: Lab) -> None:
    prompt = {"prompt": "hello", "max_tokens": 4, "temperature": 0}
    record = (await lab.client.post("/inference", json=prompt)).json()
    assert record["tokens_generated"] == 4
    assert record["node"] == "worker-1"
    assert record["cache_hit"] is False, "the model had to be loaded"
    executed = await lab.client.post("/api/v1/execute", json=prompt | {"strategy": "optimized"})
    assert executed.json()["strategy"] == "optimized", executed.text
    answer = await lab.chat("hi", max_tokens=4)
    assert answer.headers["x-llmlab-node"] == "worker-1"
    assert answer.json()["usage"]["completion_tokens"] == 4
    events = (await lab.chat("hi", max_tokens=4, stream=True)).text
    assert events.endswith("data: [DONE]\n\n")
    assert '"usage":{' not in events


async def check_models(lab: Lab) -> None:
    entries = (await lab.client.get("/cache")).json()["models"]
    assert {(entry["model"], entry["node"]) for entry in entries} == {("tiny", "worker-1")}
    assert {entry["strategy"] for entry in entries} == {"standard", "optimized"}
    assert (await lab.client.delete("/cache/tiny")).json() == {"unloaded": ["tiny"]}
    assert await loaded(lab) == []
    missing = await lab.client.delete("/cache/tiny")
    assert missing.status_code == 404
    entry = (await lab.client.post("/models/load", json={"model": "tiny"})).json()
    assert (entry["model"], entry["node"]) == ("tiny", "worker-1")
    assert (await lab.client.post("/cache/clear")).json() == {"unloaded": ["tiny"]}
    unknown = await lab.client.post("/models/load", json={"model": "other"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    listed = (await lab.client.get("/models")).json()["models"]
    assert "tiny" in [model["id"] for model in listed]


async def check_overflow(lab: Lab) -> None:
    response = await lab.chat("word " * 4000, max_tokens=4)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert any(character.isdigit() for character in error["message"])


async def check_restart(lab: Lab) -> None:
    (worker,) = worker_processes()
    asking = asyncio.create_task(lab.chat("tell me", max_tokens=1800, temperature=0))
    await lab.until(busy, "/api/nodes")
    os.kill(worker.pid, signal.SIGKILL)
    # It had shown nothing, so that the worker's successor answers it.
    answer = await asking
    assert answer.status_code == 200, answer.text
    assert worker_processes()[0].pid != worker.pid
    metrics = await lab.until(lambda answer: answer, "/metrics")
    assert metrics["llmlab_worker_restarts_total"] == 1


def busy(answer: Any) -> bool:
    return any(node["load"]["in_flight"] for node in answer["nodes"] if node["kind"] == "local")


async def test_no_worker_is_left_behind(tmp_path: Path) -> None:
    async with running_lab(tmp_path, workers=2) as lab:
        await lab.until(lambda answer: len(answer["nodes"]) == 3)
        processes = worker_processes()
        assert len(processes) == 2
    assert not any(process.is_running() for process in processes)
