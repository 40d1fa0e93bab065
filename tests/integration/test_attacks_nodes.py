"""What servers and nodes may do to the lab that dials them: it stays up, small and clear."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from aiohttp import web
from tests.integration.labs import KEY, SECRET, running_lab

from llmlab.cluster import links

LISTING = {"object": "list", "data": [{"id": "m", "object": "model"}]}
ENDLESS = b"a" * 100_000


class Evil:
    """A server that misbehaves in the way that its tests ask for."""

    def __init__(self) -> None:
        self.listing = b""
        self.answer: web.Response | None = None
        self.endless = False
        self.stolen: list[str] = []
        self.url = ""

    async def models(self, request: web.Request) -> web.StreamResponse:
        if self.endless:
            return await self._pour(request)
        return web.json_response(LISTING)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        if self.answer is None:
            raise web.HTTPTemporaryRedirect(f"{self.url}/steal")
        return self.answer

    async def steal(self, request: web.Request) -> web.StreamResponse:
        self.stolen.append(str(request.headers))
        return web.json_response(LISTING)

    async def _pour(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(ENDLESS)
        return response


@pytest.fixture
async def evil() -> AsyncIterator[Evil]:
    evil = Evil()
    app = web.Application()
    app.router.add_get("/v1/models", evil.models)
    app.router.add_post("/v1/chat/completions", evil.chat)
    app.router.add_route("*", "/steal", evil.steal)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    evil.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield evil
    await runner.cleanup()


async def test_a_list_of_models_without_end_is_left(
    evil: Evil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MAX_JSON", 2_000_000)
    evil.endless = True
    before = psutil.Process().memory_info().rss
    async with running_lab(tmp_path, external_nodes=[evil.url]) as lab:
        assert (await lab.client.get("/models")).json() == {"models": []}
        assert psutil.Process().memory_info().rss - before < 100_000_000
        assert (await lab.client.get("/health")).status_code == 200


async def test_rubbish_from_a_node_is_its_fault_and_redirects_are_not_followed(
    evil: Evil, tmp_path: Path
) -> None:
    async with running_lab(tmp_path, external_nodes=[evil.url]) as lab:
        await lab.until_served("m")
        rubbish = [None, b"", b"<html>", b'{"choices":[', b"[" * 100_000]
        for content in rubbish:
            for stream in (False, True):
                evil.answer = None if content is None else web.Response(body=content)
                answer = await lab.chat("hi", stream=stream)
                assert answer.status_code == 502
                assert answer.json()["error"]["type"] == "server_error"
        assert evil.stolen == []


JOIN = {
    "type": "join",
    "kind": "remote",
    "name": "evil",
    "instance_id": "instance-of-evil",
    "epoch": 1,
    "url": "http://127.0.0.1:9",
}


async def test_rubbish_on_the_nodes_socket_harms_nobody(tmp_path: Path) -> None:
    headers = {"authorization": f"Bearer {SECRET}"}
    rubbish = [
        "x",
        "[" * 100_000,
        "{}",
        b"\0\1",
        "x" * 2_000_000,
        '{"type":"heartbeat"}',
    ]
    wrong = [
        {"name": "../evil"},
        {"name": "a\n"},
        {"kind": "coordinator"},
        {"protocol": 99},
        {"epoch": -1},
        {"url": "file:///etc/passwd"},
        {"url": "http://user:word@127.0.0.1"},
    ]
    async with running_lab(tmp_path) as lab, aiohttp.ClientSession(headers=headers) as session:
        for message in [*rubbish, *(JOIN | change for change in wrong)]:
            async with session.ws_connect(f"{lab.url}/ws/join") as socket:
                if isinstance(message, bytes):
                    await socket.send_bytes(message)
                elif isinstance(message, str):
                    await socket.send_str(message)
                else:
                    await socket.send_json(message)
                async with asyncio.timeout(10):
                    answers = [answer async for answer in socket]
                assert all('"refused"' in answer.data for answer in answers)
                assert socket.close_code == 1008
        async with session.ws_connect(f"{lab.url}/ws/join") as socket:
            await socket.send_json(JOIN | {"name": "coordinator"})
            await socket.receive_json(timeout=10)
            names = await lab.until(lambda answer: len(answer["nodes"]) == 2)
            assert sorted(node["name"] for node in names["nodes"]) != ["coordinator"] * 2


async def test_binary_chat_messages_are_refused_and_the_socket_stays(tmp_path: Path) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    async with (
        running_lab(tmp_path) as lab,
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{lab.url}/ws/chat") as socket,
    ):
        for _ in range(2):
            await socket.send_bytes(b"\0\1")
            answer = await socket.receive_json(timeout=10)
            assert (answer["type"], answer["code"]) == ("error", "invalid_request")
