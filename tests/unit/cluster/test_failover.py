"""The one door over broken nodes: who answers instead, and what the client is told."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from llmlab.cluster import attempts
from llmlab.cluster.calls import CHAT_PATH
from llmlab.errors import (
    ContextLengthError,
    EngineError,
    LabError,
    ModelNotFoundError,
    NoWorkerError,
    UnavailableError,
)
from llmlab.testing import Reply as Scripted
from llmlab.testing import ScriptedServer
from llmlab.types import NodeKind

from .asking import UNREACHABLE, body, streamed, text_of, whole
from .conftest import Cluster


async def test_nodes_are_asked_in_turn(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"]) as one, ScriptedServer(models=["m"]) as two:
        cluster.add("a", one)
        cluster.add("b", two)
        replies = [await whole(cluster, body(f"number {count}")) for count in range(4)]
    assert [reply.node for reply in replies] == ["a", "b", "a", "b"]


BROKEN = [
    Scripted(status=500),
    Scripted(status=503),
    Scripted(status=502),
    Scripted(fault="close"),
    Scripted(fault="garbage"),
    Scripted(status=401),
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("stream", [False, True])
async def test_another_node_answers_for_a_broken_one(
    cluster: Cluster, broken: Scripted, stream: bool
) -> None:
    async with (
        ScriptedServer(models=["m"], replies=[broken]) as bad,
        ScriptedServer(models=["m"], replies=[Scripted("fine")]) as good,
    ):
        cluster.add("bad", bad)
        cluster.add("good", good)
        if stream:
            reply, events = await streamed(cluster, body())
            assert b"fine" in events
            assert b'"error"' not in events
        else:
            reply = await whole(cluster, body())
            assert text_of(reply) == "fine"
    assert reply.node == "good"
    assert bad.request_count >= 1
    assert all(node.in_flight == 0 for node in cluster.nodes.alive())


async def test_a_node_that_cannot_be_reached_is_avoided_for_a_while(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"]) as good:
        away = cluster.add("away", UNREACHABLE)
        cluster.add("good", good)
        replies = [await whole(cluster, body(f"number {count}")) for count in range(4)]
        assert cluster.nodes.is_suspect(away)
    assert {reply.node for reply in replies} == {"good"}


async def test_a_request_at_fault_is_not_tried_elsewhere(cluster: Cluster) -> None:
    overflow = Scripted(
        status=400,
        message="This needs 5000 tokens; the context has 2048.",
        code="context_length_exceeded",
    )
    async with (
        ScriptedServer(models=["m"], replies=[overflow]) as one,
        ScriptedServer(models=["m"]) as two,
    ):
        cluster.add("a", one)
        cluster.add("b", two)
        with pytest.raises(ContextLengthError, match="5000"):
            await whole(cluster, body())
        assert two.request_count == 0


async def test_a_stream_that_has_shown_a_token_never_starts_again(cluster: Cluster) -> None:
    breaks = Scripted("one two three", fault="close", after=2)
    async with (
        ScriptedServer(models=["m"], replies=[breaks]) as one,
        ScriptedServer(models=["m"]) as two,
    ):
        cluster.add("a", one)
        cluster.add("b", two)
        _, events = await streamed(cluster, body())
        assert two.request_count == 0
    last = events.strip().split(b"\n\n")[-1]
    assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == "node_unreachable"


async def test_an_unknown_model_lists_the_ones_that_exist(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"]) as server:
        cluster.add("a", server, models=("m", "second"))
        with pytest.raises(ModelNotFoundError, match="m, second") as caught:
            await whole(cluster, body() | {"model": "other"})
    assert caught.value.param == "model"


async def test_without_nodes_the_client_is_told_to_come_back(cluster: Cluster) -> None:
    with pytest.raises(NoWorkerError) as caught:
        await whole(cluster, body())
    assert caught.value.retry_after


async def test_a_lost_node_is_named(cluster: Cluster) -> None:
    cluster.nodes.lose(cluster.add("gone", UNREACHABLE))
    with pytest.raises(NoWorkerError, match="gone"):
        await whole(cluster, body())


async def test_when_all_are_away_the_client_is_told_to_come_back(cluster: Cluster) -> None:
    cluster.add("away", UNREACHABLE)
    with pytest.raises(NoWorkerError) as caught:
        await whole(cluster, body())
    assert caught.value.retry_after


async def test_the_lab_is_not_blamed_for_a_busy_node(cluster: Cluster) -> None:
    busy = Scripted(status=503, headers={"retry-after": "7"})
    async with ScriptedServer(models=["m"], replies=[busy]) as server:
        node = cluster.add("a", server)
        with pytest.raises(UnavailableError) as caught:
            await whole(cluster, body())
        assert not cluster.nodes.is_suspect(node)
    assert caught.value.retry_after == 7


async def test_a_key_that_a_node_refuses_is_not_the_clients(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"], api_key="sk-right") as server:
        cluster.add("a", server, key="sk-wrong")
        with pytest.raises(EngineError, match="refused the lab's key"):
            await whole(cluster, body())


async def test_a_request_waits_for_a_worker_that_is_starting(cluster: Cluster) -> None:
    cluster.nodes.expect("worker-1")
    waiting = asyncio.create_task(whole(cluster, body()))
    async with ScriptedServer(models=["m"], replies=[Scripted("late")]) as server:
        await asyncio.sleep(0)
        cluster.add("worker-1", server, kind=NodeKind.LOCAL)
        assert text_of(await waiting) == "late"


async def test_a_request_outlives_the_restart_of_its_worker(cluster: Cluster) -> None:
    old = cluster.add("worker-1", UNREACHABLE, kind=NodeKind.LOCAL)
    waiting = asyncio.create_task(whole(cluster, body()))
    async with ScriptedServer(models=["m"], replies=[Scripted("back")]) as server:
        async with asyncio.timeout(5):
            while not cluster.nodes.is_suspect(old):
                await asyncio.sleep(0.001)
        cluster.nodes.lose(old)
        cluster.nodes.expect("worker-1")
        cluster.add("worker-1", server, kind=NodeKind.LOCAL, instance="another-instance")
        assert text_of(await waiting) == "back"


async def test_patience_ends(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "PATIENCE", 0.05)
    cluster.nodes.expect("worker-1")
    with pytest.raises(NoWorkerError, match="yet"):
        await whole(cluster, body())


async def test_a_call_from_another_lab_goes_to_workers_only(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"]) as outside, ScriptedServer(models=["m"]) as worker:
        cluster.add("outside", outside)
        call = cluster.inference.prepare(CHAT_PATH, body(), hops=1)
        with pytest.raises(LabError):
            await cluster.inference.send(call)
        cluster.add("worker", worker, kind=NodeKind.LOCAL)
        assert (await cluster.inference.send(call)).node == "worker"
        assert worker.requests[0].headers["x-llmlab-hops"] == "2"
        assert outside.request_count == 0
