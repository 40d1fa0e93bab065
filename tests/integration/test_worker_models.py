"""A worker over real models in real child processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn

from llmlab.models.catalog import inspect_file
from llmlab.protocol.addresses import listen, own_url
from llmlab.settings import Settings
from llmlab.testing.tiny_gguf import write_tiny_gguf
from llmlab.worker.app import create_app
from llmlab.worker.service import Worker

KEY = "lab-test-key"
MESSAGES = [{"role": "user", "content": "hi"}]
# The tiny model never ends by itself: this keeps it busy for many seconds.
ENDLESS = {"model": "tiny", "messages": MESSAGES, "max_tokens": 100_000}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(
        tmp_path_factory.mktemp("models") / "tiny.gguf", width=256, layers=4, context_length=8192
    )


@pytest.fixture
async def worker(tmp_path: Path, tiny: Path) -> AsyncIterator[Worker]:
    settings = Settings.from_dict(
        {"home": tmp_path, "api_key": KEY, "detect": False, "preload": False, "model": "tiny"}
    )
    async with Worker(settings, name="box") as worker:
        worker.catalog.set_detected([inspect_file(tiny, "tiny")])
        yield worker


@pytest.fixture
async def client(worker: Worker) -> AsyncIterator[httpx.AsyncClient]:
    listener = listen(worker.settings, 0)
    config = uvicorn.Config(
        create_app(worker), lifespan="off", ws="none", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    url = own_url(worker.settings, listener)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        yield client
    server.should_exit = server.force_exit = True
    await running
    listener.close()


@pytest.fixture
async def busy_slots(
    worker: Worker, client: httpx.AsyncClient
) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    await client.post("/models/load", json={"model": "tiny"})
    model = worker.manager.get_model("tiny")
    assert model is not None
    process: Any = model.process
    headers = {"Authorization": f"Bearer {process.api_key}"}
    async with httpx.AsyncClient(base_url=process.url, headers=headers) as child:

        async def count() -> int:
            return sum(slot["is_processing"] for slot in (await child.get("/slots")).json())

        yield count


@pytest.mark.parametrize("stream", [True, False])
async def test_leaving_frees_the_slot(
    worker: Worker,
    client: httpx.AsyncClient,
    busy_slots: Callable[[], Awaitable[int]],
    stream: bool,
) -> None:
    async with httpx.AsyncClient(base_url=client.base_url, headers=client.headers) as leaver:
        body = ENDLESS | {"stream": stream}
        asking = asyncio.create_task(leaver.post("/v1/chat/completions", json=body, timeout=60))
        async with asyncio.timeout(10):
            while not await busy_slots():
                await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])
        # It takes a tenth of this on a machine that is not busy with other tests.
        async with asyncio.timeout(2):
            while await busy_slots():
                await asyncio.sleep(0.01)
    assert [model.in_flight for model in worker.manager.loaded()] == [0]
    answer = await client.post("/v1/chat/completions", json=ENDLESS | {"max_tokens": 3})
    assert answer.json()["usage"]["completion_tokens"] == 3


async def test_health_answers_at_once_while_models_load(
    worker: Worker, client: httpx.AsyncClient
) -> None:
    body = ENDLESS | {"max_tokens": 2}
    asking = [
        asyncio.create_task(client.post("/v1/chat/completions", json=body | {"seed": seed}))
        for seed in range(12)
    ]
    loop, slowest = asyncio.get_running_loop(), 0.0
    while not all(task.done() for task in asking):
        began = loop.time()
        assert (await client.get("/health")).status_code == 200
        slowest = max(slowest, loop.time() - began)
        await asyncio.sleep(0.01)
    assert slowest < 1
    assert {task.result().status_code for task in asking} == {200}
    assert len(worker.manager.loaded()) == 1


async def test_a_crash_ends_one_answer_and_nothing_else(
    worker: Worker, client: httpx.AsyncClient
) -> None:
    async with client.stream(
        "POST", "/v1/chat/completions", json=ENDLESS | {"stream": True}
    ) as answer:
        events = answer.aiter_lines()
        while "content" not in await anext(events):
            pass
        model = worker.manager.get_model("tiny")
        assert model is not None
        assert model.process is not None
        os.kill(model.process.pid, signal.SIGKILL)
        last = [line async for line in events if line][-1]
    assert orjson.loads(last.removeprefix("data: "))["error"]["code"] == "engine_crashed"
    again = await client.post("/v1/chat/completions", json=ENDLESS | {"max_tokens": 2})
    assert again.status_code == 200
    assert (await client.get("/health")).json()["status"] == "ok"


async def test_bad_model_files_and_requests_get_clear_errors(
    worker: Worker, client: httpx.AsyncClient, tiny: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(tiny.read_bytes())
    records = [inspect_file(tiny, "tiny"), inspect_file(broken, "broken")]
    worker.catalog.set_detected(records)
    broken.write_bytes(tiny.read_bytes()[:50_000])
    refused = await client.post("/v1/chat/completions", json=ENDLESS | {"model": "broken"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_model_file")
    assert "broken" in refused.json()["error"]["message"]

    await client.post("/models/load", json={"model": "tiny"})
    long = [{"role": "user", "content": "word " * 20_000}]
    for stream in (True, False):
        body = ENDLESS | {"messages": long, "stream": stream}
        overflow = await client.post("/v1/chat/completions", json=body)
        assert overflow.status_code == 400, overflow.text[:500]
        error = overflow.json()["error"]
        assert error["code"] == "context_length_exceeded"
        assert "8192" in error["message"]


async def test_schemas_embeddings_and_strategies(client: httpx.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    body = ENDLESS | {
        "max_tokens": 200,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": schema | {"additionalProperties": False}},
        },
    }
    answer = await client.post("/v1/chat/completions", json=body)
    content = orjson.loads(answer.json()["choices"][0]["message"]["content"])
    assert content["a"] in (True, False)

    vectors = (
        await client.post("/v1/embeddings", json={"model": "tiny", "input": ["a", "b"]})
    ).json()
    assert len(vectors["data"]) == 2
    assert len(vectors["data"][0]["embedding"]) == 256

    result = await client.post(
        "/inference", json={"prompt": "hi", "strategy": "optimized", "max_tokens": 3}
    )
    assert result.json()["strategy"] == "optimized"
    assert result.json()["tokens_generated"] == 3
    strategies = {model["strategy"] for model in (await client.get("/cache")).json()["models"]}
    assert strategies == {"standard", "optimized"}
