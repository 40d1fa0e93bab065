"""Chats through the coordinator: whole, streamed, over a socket, and what is kept of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.integration.labs import KEY, Lab, running_lab

from llmlab.testing import Reply, ScriptedServer
from llmlab.testing.script import Script

PLAN = json.dumps(
    {"steps": [{"tool": "calculator", "args": {"expression": "25 * 67"}, "instruction": ""}]}
)
QUESTION = "What is 25 * 67?"


def planner(body: dict[str, Any]) -> Reply:
    """Plan when asked for a plan; else answer with what the tool gave."""
    if "response_format" in body:
        return Reply(PLAN)
    return Reply("It is 1675." if "1675" in json.dumps(body["messages"]) else "I do not know.")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with (
        ScriptedServer(models=["m"], reply_with=planner) as server,
        running_lab(tmp_path, external_nodes=[server.url]) as lab,
    ):
        await lab.until_served("m")
        yield lab


async def test_a_question_is_planned_computed_and_answered(lab: Lab) -> None:
    response = await lab.client.post("/chat", json={"message": QUESTION})
    result = response.json()
    assert response.status_code == 200, result
    assert result["answer"] == "It is 1675."
    assert [step["tool"] for step in result["plan"]] == ["calculator"]
    assert {step["kind"] for step in result["steps"]} >= {"plan", "tool", "answer"}
    assert response.headers["x-llmlab-run"] == result["run_id"]
    assert response.headers["x-llmlab-cache"] == "miss"
    tasks = (await lab.client.get("/api/tasks")).json()["tasks"]
    assert "calculator" in [task["assignee"] for task in tasks]
    run = (await lab.client.get(f"/api/runs/{result['run_id']}")).json()
    assert run["status"] == "done"
    assert len(run["steps"]) == len(result["steps"])
    again = await lab.client.post("/chat", json={"message": QUESTION})
    assert again.headers["x-llmlab-cache"] == "hit"


@pytest.mark.parametrize(
    ("change", "headers"),
    [({"cache": False}, {}), ({}, {"cache-control": "no-store"})],
)
async def test_a_chat_can_leave_the_cache_alone(
    lab: Lab, change: dict[str, Any], headers: dict[str, str]
) -> None:
    for _ in range(2):
        body = {"message": QUESTION} | change
        response = await lab.client.post("/chat", json=body, headers=headers)
        assert response.headers["x-llmlab-cache"] == "miss"
    assert (await lab.client.get("/api/cache/stats")).json()["entries"] == 0


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [
        (lines[0].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: ")))
        for lines in blocks
    ]


async def test_a_chat_is_streamed_as_events(lab: Lab) -> None:
    response = await lab.client.post("/chat", json={"message": QUESTION, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response.text)
    names = [name for name, _ in events]
    assert names[0] == "run"
    assert names[-1] == "done"
    assert {"plan", "step", "token"} <= set(names)
    assert "".join(data["text"] for name, data in events if name == "token") == "It is 1675."
    run_id = events[-1][1]["run_id"]
    assert response.headers["x-llmlab-run"] == run_id
    kept = (await lab.client.get(f"/api/v1/runs/{run_id}/events")).text
    kept_types = [json.loads(line[6:])["type"] for line in kept.split("\n") if line]
    assert kept_types == [name for name in names if name != "token"]


async def test_the_socket_gives_the_same_events(lab: Lab) -> None:
    headers = {"authorization": f"Bearer {KEY}", "origin": lab.url}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{lab.url}/ws/chat") as socket,
    ):
        for bad in ("{", '{"message": ""}', '{"message": 5}'):
            await socket.send_str(bad)
            assert (await socket.receive_json())["type"] == "error"
        await socket.send_json({"message": QUESTION})
        types = []
        while not types or types[-1] not in ("done", "error"):
            types.append((await socket.receive_json())["type"])
    assert types[0] == "run"
    assert types[-1] == "done"
    assert {"plan", "step", "token"} <= set(types)


async def test_a_cookie_and_the_own_origin_open_the_socket(lab: Lab) -> None:
    signed_in = await lab.client.post("/api/session", json={"key": KEY})
    cookie = signed_in.headers["set-cookie"].partition(";")[0]
    async with aiohttp.ClientSession(headers={"cookie": cookie}) as session:
        async with session.ws_connect(f"{lab.url}/ws/chat", origin=lab.url) as socket:
            await socket.send_json({"message": QUESTION, "dry_run": True})
            assert (await socket.receive_json())["type"] == "run"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{lab.url}/ws/chat", origin="http://evil.example")


async def test_a_run_goes_on_when_its_client_leaves(lab: Lab) -> None:
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {KEY}"}) as session:
        response = await session.post(f"{lab.url}/chat", json={"message": QUESTION, "stream": True})
        run_id = response.headers["x-llmlab-run"]
        response.close()
    await lab.until(lambda run: run["status"] == "done", f"/api/runs/{run_id}")


async def test_runs_that_do_not_exist(lab: Lab) -> None:
    for path in ("/api/runs/run_none", "/api/runs/run_none/events"):
        response = await lab.client.get(path)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


async def test_sessions_and_runs_outlive_a_restart(tmp_path: Path) -> None:
    async with ScriptedServer(models=["m"], reply_with=planner) as server:
        async with running_lab(tmp_path, external_nodes=[server.url]) as lab:
            await lab.until_served("m")
            first = (await lab.client.post("/chat", json={"message": QUESTION})).json()
            state = json.loads((tmp_path / "run" / "coordinator.json").read_text())
            assert state["url"] == lab.url
        assert not (tmp_path / "run" / "coordinator.json").exists()
        async with running_lab(tmp_path, external_nodes=[server.url]) as lab:
            await lab.until_served("m")
            runs = (await lab.client.get("/api/runs?kind=chat")).json()["runs"]
            assert [run["id"] for run in runs] == [first["run_id"]]
            body = {"message": QUESTION, "session_id": first["session_id"]}
            assert (await lab.client.post("/chat", json=body)).status_code == 200


async def test_stopping_the_lab_leaves_nothing_behind(tmp_path: Path) -> None:
    async with ScriptedServer(models=["m"], replies=[Reply("x", first_delay=60)]) as server:
        async with running_lab(tmp_path, external_nodes=[server.url]) as lab:
            await lab.until_served("m")
            asking = asyncio.create_task(lab.client.post("/chat", json={"message": "hi"}))
            await server.until(lambda server: server.active == 1)
            asking.cancel()
            await asyncio.wait([asking])
        await server.until(lambda server: server.active == 0)


async def test_a_run_that_was_cut_off_goes_on_at_the_next_start(tmp_path: Path) -> None:
    async with ScriptedServer(models=["m"], replies=[Reply(fault="hang")]) as server:
        async with running_lab(tmp_path, external_nodes=[server.url]) as lab:
            await lab.until_served("m")
            body = {"message": QUESTION, "stream": True}
            async with lab.client.stream("POST", "/chat", json=body) as response:
                run_id = response.headers["x-llmlab-run"]
                await server.until(lambda server: server.active == 1)
        server.script = Script(reply_with=planner)
        async with running_lab(tmp_path, external_nodes=[server.url]) as lab:
            run = await lab.until(lambda run: run["status"] == "done", f"/api/runs/{run_id}")
    assert run["attempts"] == 2
    assert run["output"]["answer"] == "It is 1675."
