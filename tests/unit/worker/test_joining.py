"""A worker joins, stays, says what changed, and comes back when the line breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from llmlab.protocol.mesh import FromNode, Heartbeat, Join, Joined, Leave, Refused, from_node
from llmlab.worker.joining import Joiner
from llmlab.worker.service import Worker


class Lab:
    """A coordinator's end of the line."""

    def __init__(self) -> None:
        self.seen: list[FromNode] = []
        self.keys: list[str | None] = []
        self.refusal: Refused | None = None
        self.rubbish: str | None = None
        self.status = 200
        self.lines: list[web.WebSocketResponse] = []

    async def join(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers.get("Authorization"))
        if self.status != 200:
            return web.Response(status=self.status)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.lines.append(socket)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            event = from_node.validate_json(message.data)
            self.seen.append(event)
            if isinstance(event, Join):
                await self.answer(socket)
        return socket

    async def answer(self, socket: web.WebSocketResponse) -> None:
        if self.rubbish is not None:
            await socket.send_str(self.rubbish)
        elif self.refusal is not None:
            await socket.send_str(self.refusal.model_dump_json())
            await socket.close()
        else:
            joined = Joined(node_id="node_1", heartbeat_interval=0.02)
            await socket.send_str(joined.model_dump_json())

    def of(self, kind: type[FromNode]) -> list[FromNode]:
        return [event for event in self.seen if isinstance(event, kind)]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)

    async def cut(self) -> None:
        for line in self.lines:
            await line.close()
        self.lines.clear()


@asynccontextmanager
async def listening(lab: Lab, port: int = 0) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/ws/join", lab.join)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await lab.cut()
        await runner.cleanup()


@asynccontextmanager
async def joining(worker: Worker, url: str) -> AsyncIterator[Joiner]:
    joiner = Joiner(worker, coordinator_url=url, own_url="http://127.0.0.1:1", secret="node-x")
    running = asyncio.create_task(joiner.run())
    try:
        yield joiner
    finally:
        running.cancel()
        await asyncio.wait({running})


@pytest.fixture
def lab() -> Lab:
    return Lab()


async def test_joins_beats_and_leaves(worker: Worker, lab: Lab) -> None:
    async with listening(lab) as url:
        async with joining(worker, url) as joiner:
            await lab.until(lambda: len(lab.of(Heartbeat)) >= 3)
            assert joiner.node_id == "node_1"
        await lab.until(lambda: bool(lab.of(Leave)))
        assert joiner.node_id is None
    (join,) = lab.of(Join)
    assert isinstance(join, Join)
    assert (join.name, join.kind, join.epoch) == ("box", "remote", 1)
    assert join.instance_id == worker.instance_id
    assert join.url == "http://127.0.0.1:1"
    assert {"m"} <= {model.id for model in join.capabilities.models}
    assert join.capabilities.tools == ["calculator"]
    assert lab.keys == ["Bearer node-x"]
    # Nothing changed, so nothing is said of it again.
    assert all(beat.capabilities is None for beat in lab.of(Heartbeat))


async def test_says_at_once_what_changed(worker: Worker, lab: Lab) -> None:
    async with listening(lab) as url, joining(worker, url):
        await lab.until(lambda: bool(lab.of(Heartbeat)))
        await worker.executor.load("m")
        await lab.until(lambda: any(beat.capabilities for beat in lab.of(Heartbeat)))
    (news,) = [beat.capabilities for beat in lab.of(Heartbeat) if beat.capabilities]
    assert [model.loaded for model in news.models if model.id == "m"] == [True]


async def test_joins_again_with_a_higher_epoch(worker: Worker, lab: Lab) -> None:
    async with listening(lab) as url, joining(worker, url):
        for epoch in (1, 2, 3):
            await lab.until(lambda epoch=epoch: len(lab.of(Join)) == epoch)
            await lab.cut()
    assert [join.epoch for join in lab.of(Join)] == [1, 2, 3]


async def test_waits_for_a_coordinator_that_is_away(worker: Worker, lab: Lab) -> None:
    async with listening(lab) as url:
        port = int(url.rpartition(":")[2])
    async with joining(worker, url):
        await asyncio.sleep(0.05)
        async with listening(lab, port):
            await lab.until(lambda: len(lab.of(Heartbeat)) >= 1)
        seen = len(lab.of(Join))
        async with listening(lab, port):
            await lab.until(lambda: len(lab.of(Join)) > seen)


@pytest.mark.parametrize("trouble", ["refused", "rubbish", "key", "broken"])
async def test_tries_again_after_trouble(worker: Worker, lab: Lab, trouble: str) -> None:
    match trouble:
        case "refused":
            lab.refusal = Refused(code="conflict", message="not now")
        case "rubbish":
            lab.rubbish = "{}"
        case "key":
            lab.status = 403
        case "broken":
            lab.status = 500
    async with listening(lab) as url, joining(worker, url) as joiner:
        await lab.until(lambda: len(lab.keys) >= 2)
        assert joiner.node_id is None
        lab.refusal, lab.rubbish, lab.status = None, None, 200
        await lab.until(lambda: joiner.node_id == "node_1")
