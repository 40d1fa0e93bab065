"""The one door when clients leave or nodes hang."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest

from llmlab.cluster.calls import CHAT_PATH
from llmlab.errors import DeadlineError
from llmlab.testing import Reply as Scripted
from llmlab.testing import ScriptedServer

from .asking import body, streamed, text_of, whole
from .conftest import Cluster


async def test_a_hanging_node_meets_the_deadline(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(timeout=0.2)
    async with ScriptedServer(models=["m"], replies=[Scripted(fault="hang")]) as server:
        cluster.add("a", server)
        with pytest.raises(DeadlineError):
            await whole(cluster, body())
        with pytest.raises(DeadlineError):
            await streamed(cluster, body())
        await server.until(lambda server: server.active == 0)


SLOW = Scripted("one two three four five six", delay=0.2)


@pytest.mark.parametrize("cached", [False, True])
async def test_leaving_a_stream_stops_the_generation(cluster: Cluster, cached: bool) -> None:
    async with ScriptedServer(models=["m"], replies=[SLOW]) as server:
        node = cluster.add("a", server)
        call = cluster.inference.prepare(CHAT_PATH, body(stream=True, cache=cached))
        async with await cluster.inference.send(call) as reply:
            assert reply.pieces is not None
            await anext(aiter(reply.pieces))
        await server.until(lambda server: server.cancelled == 1)
    assert node.in_flight == 0
    assert cluster.cache.get_stats().entries == 0
    gc.collect()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cached", [False, True])
async def test_leaving_before_the_first_byte_stops_the_generation(
    cluster: Cluster, cached: bool, stream: bool
) -> None:
    async with ScriptedServer(models=["m"], replies=[Scripted("x", first_delay=30)]) as server:
        node = cluster.add("a", server)
        call = cluster.inference.prepare(CHAT_PATH, body(stream=stream, cache=cached))
        asking = asyncio.create_task(cluster.inference.send(call))
        await server.until(lambda server: server.active == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await server.until(lambda server: server.active == 0 and server.cancelled == 1)
    assert node.in_flight == 0


async def test_a_generation_goes_on_while_one_reader_is_left(cluster: Cluster) -> None:
    slow = Scripted("one two three", delay=0.05)
    async with ScriptedServer(models=["m"], replies=[slow]) as server:
        cluster.add("a", server)
        call = cluster.inference.prepare(CHAT_PATH, body(stream=True))
        leaving = await cluster.inference.send(call)
        async with await cluster.inference.send(call) as staying:
            await leaving.__aexit__(None, None, None)
            assert staying.pieces is not None
            events = b"".join([piece async for piece in staying.pieces])
        assert server.cancelled == 0
    assert b"three" in events


async def test_llama_server_is_streamed_from_so_that_it_stops(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"], replies=[Scripted("whole answer"), SLOW]) as server:
        node = cluster.add("a", server)
        node.streams_only = True
        reply = await whole(cluster, body())
        assert text_of(reply) == "whole answer"
        assert reply.usage is not None
        assert server.requests[0].body["stream"] is True
        asking = asyncio.create_task(whole(cluster, body("slow")))
        await server.until(lambda server: server.active == 1)
        asking.cancel()
        await asyncio.wait([asking])
        await server.until(lambda server: server.cancelled == 1)
