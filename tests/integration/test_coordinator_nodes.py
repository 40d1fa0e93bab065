"""Nodes join the coordinator over their socket, and are routed to while they are heard of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.integration.labs import SECRET, Lab, running_lab

from llmlab.protocol.mesh import Capabilities, Heartbeat, Join, Leave, Load, ModelEntry
from llmlab.testing import Reply, ScriptedServer
from llmlab.types import NodeKind


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path, heartbeat_interval=0.1, heartbeat_timeout=1.0) as lab:
        yield lab


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    replies = [Reply("from a worker")]
    async with ScriptedServer(models=["m"], replies=replies, api_key=SECRET) as server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {SECRET}"}) as session:
        yield session


def a_join(url: str | None, **changes: Any) -> Join:
    values: dict[str, Any] = {
        "kind": NodeKind.REMOTE,
        "name": "box",
        "instance_id": "instance-of-box",
        "epoch": 1,
        "url": url,
        "capabilities": Capabilities(models=[ModelEntry(id="m", engine="llama_cpp")]),
    }
    return Join.model_validate(values | changes)


async def say(socket: aiohttp.ClientWebSocketResponse, message: Any) -> None:
    await socket.send_str(message.model_dump_json())


async def heard(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    async with asyncio.timeout(5):
        answer: dict[str, Any] = await socket.receive_json()
        return answer


def status_of(answer: Any, name: str) -> str | None:
    return next((node["status"] for node in answer["nodes"] if node["name"] == name), None)


async def test_a_node_joins_and_serves(
    lab: Lab, server: ScriptedServer, session: aiohttp.ClientSession
) -> None:
    async with session.ws_connect(f"{lab.url}/ws/join") as socket:
        await say(socket, a_join(server.url))
        joined = await heard(socket)
        assert joined["type"] == "joined"
        assert joined["heartbeat_interval"] == 0.1
        response = await lab.chat("hi")
        assert response.headers["x-llmlab-node"] == "box"
        assert response.json()["choices"][0]["message"]["content"] == "from a worker"
        seen = server.requests[-1].headers
        assert {name.lower() for name in seen} >= {"x-llmlab-hops", "x-llmlab-run"}
        await say(socket, Heartbeat(load=Load(in_flight=3, memory_used=7)))
        answer = await lab.until(lambda answer: answer["nodes"][-1]["load"]["in_flight"] == 3)
        assert answer["nodes"][-1]["id"] == joined["node_id"]
        await say(socket, Leave())
        await lab.until(lambda answer: status_of(answer, "box") == "left")
    assert (await lab.chat("anew")).status_code == 503


async def test_the_coordinator_is_a_node_itself(lab: Lab) -> None:
    nodes = (await lab.client.get("/api/nodes")).json()["nodes"]
    assert [(node["name"], node["kind"]) for node in nodes] == [("coordinator", "coordinator")]
    assert "calculator" in nodes[0]["tools"]
    # Longer than the silence that would end it.
    await lab.until(lambda answer: answer["uptime_seconds"] > 1.2, "/health")
    assert status_of((await lab.client.get("/api/nodes")).json(), "coordinator") == "alive"


async def test_a_closed_line_ends_a_node_at_once(
    lab: Lab, server: ScriptedServer, session: aiohttp.ClientSession
) -> None:
    socket = await session.ws_connect(f"{lab.url}/ws/join")
    await say(socket, a_join(server.url))
    await heard(socket)
    await socket.close()
    await lab.until(lambda answer: status_of(answer, "box") == "lost")
    assert (await lab.chat("hi")).status_code == 503


async def test_silence_ends_a_node(
    lab: Lab, server: ScriptedServer, session: aiohttp.ClientSession
) -> None:
    async with session.ws_connect(f"{lab.url}/ws/join") as socket:
        await say(socket, a_join(server.url))
        await heard(socket)
        await lab.until(lambda answer: status_of(answer, "box") == "lost")
        message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert socket.close_code == 1012


async def test_a_newer_line_replaces_the_older_one(
    lab: Lab, server: ScriptedServer, session: aiohttp.ClientSession
) -> None:
    old = await session.ws_connect(f"{lab.url}/ws/join")
    await say(old, a_join("http://127.0.0.1:9"))
    first = await heard(old)
    async with session.ws_connect(f"{lab.url}/ws/join") as new:
        await say(new, a_join(server.url, epoch=2))
        second = await heard(new)
        await old.close()
        assert second["node_id"] == first["node_id"]
        assert (await lab.chat("hi")).status_code == 200
        assert status_of((await lab.client.get("/api/nodes")).json(), "box") == "alive"


BAD_MESSAGES = [
    "",
    "{",
    "[]",
    '{"type": "heartbeat"}',
    '{"type": "dance"}',
    '{"type": "join"}',
    a_join(None, protocol=99).model_dump_json(),
    a_join(None, kind=NodeKind.COORDINATOR).model_dump_json(),
    a_join(None, kind=NodeKind.EXTERNAL).model_dump_json(),
    a_join("javascript:alert(1)").model_dump_json(),
    a_join("http://box:99999").model_dump_json(),
    a_join(None).model_dump_json().replace('"box"', '"../box"'),
]


async def test_who_does_not_introduce_itself_is_refused(
    lab: Lab, session: aiohttp.ClientSession
) -> None:
    for message in BAD_MESSAGES:
        async with session.ws_connect(f"{lab.url}/ws/join") as socket:
            await socket.send_str(message)
            refused = await heard(socket)
            assert refused["type"] == "refused", message
            assert refused["message"]
            assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
    nodes = (await lab.client.get("/api/nodes")).json()["nodes"]
    assert [node["name"] for node in nodes] == ["coordinator"]


async def test_rubbish_after_the_join_ends_the_line(
    lab: Lab, server: ScriptedServer, session: aiohttp.ClientSession
) -> None:
    async with session.ws_connect(f"{lab.url}/ws/join") as socket:
        await say(socket, a_join(server.url))
        await heard(socket)
        await socket.send_str("rubbish")
        await lab.until(lambda answer: status_of(answer, "box") == "lost")


async def test_another_lab_is_told_of_workers_only(
    tmp_path: Path, server: ScriptedServer, session: aiohttp.ClientSession
) -> None:
    async with (
        ScriptedServer(models=["elsewhere"]) as outside,
        running_lab(tmp_path, external_nodes=[outside.url]) as lab,
        session.ws_connect(f"{lab.url}/ws/join") as socket,
    ):
        await say(socket, a_join(server.url))
        await lab.until_served("m")
        await lab.until_served("elsewhere")
        ours = (await lab.client.get("/v1/models")).json()["data"]
        assert [model["id"] for model in ours] == ["elsewhere", "m"]
        hop = {"x-llmlab-hops": "1"}
        theirs = (await lab.client.get("/v1/models", headers=hop)).json()["data"]
        assert [model["id"] for model in theirs] == ["m"]
        lab.client.headers.update(hop)
        body = {"messages": [{"role": "user", "content": "hi"}]}
        path = "/v1/chat/completions"
        looping = await lab.client.post(path, json=body | {"model": "elsewhere"})
        assert looping.status_code == 404
        assert (await lab.client.post(path, json=body | {"model": "m"})).status_code == 200
        assert not [seen for seen in outside.requests if seen.path == path]


async def test_one_lab_is_a_node_of_another(tmp_path: Path, server: ScriptedServer) -> None:
    from tests.integration.labs import KEY

    async with (
        running_lab(tmp_path / "far") as far,
        aiohttp.ClientSession(headers={"authorization": f"Bearer {SECRET}"}) as session,
        session.ws_connect(f"{far.url}/ws/join") as socket,
    ):
        await say(socket, a_join(server.url))
        await far.until_served("m")
        base = {"openai_api_base": f"{far.url}/v1", "openai_api_key": KEY}
        async with running_lab(tmp_path / "near", **base) as near:
            await near.until_served("m")
            assert (await near.chat("hi")).status_code == 200


async def test_the_lab_does_not_dial_itself(tmp_path: Path) -> None:
    from llmlab.protocol.addresses import listen
    from llmlab.settings import Settings

    with listen(Settings.from_dict({}), 0) as probe:
        port = probe.getsockname()[1]
    async with running_lab(
        tmp_path, on_port=port, external_nodes=[f"http://127.0.0.1:{port}"]
    ) as lab:
        await lab.until(lambda answer: answer["status"] == "degraded", "/health")
        nodes = (await lab.client.get("/api/nodes")).json()["nodes"]
        assert [node["name"] for node in nodes] == ["coordinator"]
