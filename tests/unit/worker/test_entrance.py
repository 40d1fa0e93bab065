"""Before the worker is put together, it says so; what comes early waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from llmlab.protocol.access import Receive, Scope, Send, respond
from llmlab.worker import entrance
from llmlab.worker.entrance import Entrance


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, 200, b'{"from": "app"}')


@pytest.fixture
def door() -> Entrance:
    return Entrance("0123456789abcdef")


@pytest.fixture
async def client(door: Entrance) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(door)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        yield client


async def test_health_first_the_rest_when_it_opens(
    door: Entrance, client: httpx.AsyncClient
) -> None:
    health = (await client.get("/health")).json()
    assert (health["status"], health["instance_id"]) == ("starting", "0123456789abcdef")
    early = asyncio.create_task(client.get("/models"))
    await asyncio.sleep(0.01)
    assert not early.done()
    door.open(app)
    assert (await early).json() == {"from": "app"}
    assert (await client.get("/health")).json() == {"from": "app"}


async def test_nobody_waits_for_ever(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "OPENING_DEADLINE", 0.01)
    answer = await client.get("/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_loading")
    assert answer.headers["retry-after"]
