"""The one door: cache, one generation for equal requests, routing, failover, cancellation."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from llmlab.cluster import attempts
from llmlab.cluster.calls import CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH, Call, Reply
from llmlab.errors import (
    ContextLengthError,
    DeadlineError,
    EngineError,
    InvalidRequestError,
    LabError,
    ModelNotFoundError,
    NoWorkerError,
    UnavailableError,
)
from llmlab.testing import Reply as Scripted
from llmlab.testing import ScriptedServer
from llmlab.types import GenerateRequest, Message, NodeKind, ToolCall

from .conftest import Cluster

UNREACHABLE = "http://127.0.0.1:9"


def body(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]} | more


async def whole(cluster: Cluster, content: dict[str, Any], path: str = CHAT_PATH) -> Reply:
    async with await cluster.inference.send(cluster.inference.prepare(path, content)) as reply:
        assert reply.body is not None
        return reply


async def streamed(cluster: Cluster, content: dict[str, Any]) -> tuple[Reply, bytes]:
    call = cluster.inference.prepare(CHAT_PATH, content | {"stream": True})
    async with await cluster.inference.send(call) as reply:
        if reply.body is not None:
            return reply, reply.body
        assert reply.pieces is not None
        return reply, b"".join([piece async for piece in reply.pieces])


def text_of(reply: Reply) -> str:
    return str(orjson.loads(reply.body or b"")["choices"][0]["message"]["content"])


async def test_an_answer_names_its_node_and_is_kept(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"], replies=[Scripted("one"), Scripted("two")]) as server:
        cluster.add("a", server)
        first = await whole(cluster, body())
        second = await whole(cluster, body())
        other = await whole(cluster, body("something else"))
    assert (first.node, first.cache_hit, text_of(first)) == ("a", False, "one")
    assert (second.node, second.cache_hit, text_of(second)) == ("a", True, "one")
    assert text_of(other) == "two"
    assert first.usage is not None
    assert first.usage.completion_tokens == 1


async def test_a_stream_is_kept_and_serves_both_forms(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"], replies=[Scripted("dear world")]) as server:
        cluster.add("a", server)
        first, events = await streamed(cluster, body())
        again, replayed = await streamed(cluster, body())
        as_whole = await whole(cluster, body())
        assert server.request_count == 1
    assert not first.cache_hit
    assert first.pieces is not None
    assert first.pieces.usage is not None, "the node is asked for token counts in any case"
    assert b'"usage":{' not in events, "and the client gets what it asked for"
    assert again.cache_hit
    assert b"dear" in replayed
    assert replayed.endswith(b"data: [DONE]\n\n")
    assert text_of(as_whole) == "dear world"
    assert orjson.loads(as_whole.body or b"")["usage"]["completion_tokens"] == 2


async def test_a_client_that_asks_for_usage_gets_it(cluster: Cluster) -> None:
    options = {"stream_options": {"include_usage": True}}
    async with ScriptedServer(models=["m"], replies=[Scripted("hi")]) as server:
        cluster.add("a", server)
        _, fresh = await streamed(cluster, body(**options))
        hit, stored = await streamed(cluster, body(**options))
    assert hit.cache_hit
    for events in (fresh, stored):
        assert b'"completion_tokens":1' in events


@pytest.mark.parametrize("more", [{"cache": False}, {"n": 2}])
async def test_who_opts_out_is_answered_anew(cluster: Cluster, more: dict[str, Any]) -> None:
    async with ScriptedServer(models=["m"], replies=[Scripted("one"), Scripted("two")]) as server:
        cluster.add("a", server)
        await whole(cluster, body(**more))
        second = await whole(cluster, body(**more))
        assert "cache" not in server.requests[0].body, "foreign servers do not know the word"
    assert not second.cache_hit
    assert server.request_count == 2
    assert cluster.cache.get_stats().entries == 0


async def test_no_cache_replaces_what_is_stored(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"], replies=[Scripted("one"), Scripted("two")]) as server:
        cluster.add("a", server)
        await whole(cluster, body())
        fresh = cluster.inference.prepare(CHAT_PATH, body(), cache_control="no-cache")
        assert text_of(await cluster.inference.send(fresh)) == "two"
        assert text_of(await whole(cluster, body())) == "two"


async def test_requests_that_differ_share_nothing(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"]) as server:
        cluster.add("a", server)
        tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
        variants = [
            body(),
            body(temperature=0.0),
            body(temperature=1.0),
            body(tools=tools),
            body(response_format={"type": "json_object"}),
            {"model": "m", "messages": [{"role": "system", "content": "hi"}]},
        ]
        for variant in variants:
            assert not (await whole(cluster, variant)).cache_hit
        for tenant in ("alice", "bob"):
            call = cluster.inference.prepare(CHAT_PATH, body(), tenant=tenant)
            assert not (await cluster.inference.send(call)).cache_hit
        completion = {"model": "m", "prompt": "hi", "messages": body()["messages"]}
        assert not (await whole(cluster, dict(completion), COMPLETION_PATH)).cache_hit
        assert not (await whole(cluster, dict(completion))).cache_hit


async def test_errors_and_cut_answers_are_never_kept(cluster: Cluster) -> None:
    replies = [
        Scripted(status=500),
        Scripted("one two three", finish_reason="length"),
        Scripted("one", fault="garbage"),
        Scripted("fine"),
    ]
    async with ScriptedServer(models=["m"], replies=replies) as server:
        cluster.add("a", server)
        with pytest.raises(EngineError):
            await whole(cluster, body())
        assert text_of(await whole(cluster, body())) == "one two three"
        with pytest.raises(EngineError):
            await whole(cluster, body())
        assert not (await whole(cluster, body())).cache_hit
        assert (await whole(cluster, body())).cache_hit


async def test_broken_streams_are_never_kept(cluster: Cluster) -> None:
    replies = [
        Scripted("one two three", fault="close", after=1),
        Scripted("one two three", fault="truncate", after=1),
        Scripted("one two three", fault="error", after=1),
        Scripted("fine"),
    ]
    async with ScriptedServer(models=["m"], replies=replies) as server:
        cluster.add("a", server)
        for _ in range(3):
            _, events = await streamed(cluster, body())
            assert b'{"error"' in events
            assert b"one" in events
        assert cluster.cache.get_stats().entries == 0
        reply, events = await streamed(cluster, body())
    assert not reply.cache_hit
    assert events.endswith(b"data: [DONE]\n\n")


async def test_equal_requests_at_once_are_one_generation(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"], replies=[Scripted("x", first_delay=0.1)]) as server:
        cluster.add("a", server)
        replies = await asyncio.gather(*(whole(cluster, body()) for _ in range(8)))
        streams = await asyncio.gather(*(streamed(cluster, body("stream")) for _ in range(8)))
        assert server.request_count == 2
    assert sum(reply.cache_hit for reply in replies) == 7
    assert len({events for _, events in streams}) == 1
    assert cluster.cache.get_stats().coalesced == 14


async def test_an_error_reaches_all_who_share_a_generation(cluster: Cluster) -> None:
    reply = Scripted(status=400, message="No.", first_delay=0.1)
    async with ScriptedServer(models=["m"], replies=[reply]) as server:
        cluster.add("a", server)
        results = await asyncio.gather(
            *(whole(cluster, body()) for _ in range(3)), return_exceptions=True
        )
        assert server.request_count == 1
    assert [type(result) for result in results] == [InvalidRequestError] * 3


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


async def test_embeddings_are_kept_too(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"]) as server:
        cluster.add("a", server)
        asked = {"model": "m", "input": ["one", "two"]}
        first = await whole(cluster, dict(asked), EMBEDDING_PATH)
        second = await whole(cluster, dict(asked), EMBEDDING_PATH)
    assert second.cache_hit
    assert first.body == second.body


def question(text: str = "hi", **options: Any) -> GenerateRequest:
    return GenerateRequest("m", (Message("user", text),), options=options)


async def test_the_workflows_get_answers(cluster: Cluster) -> None:
    call = ToolCall("call-1", "calculator", '{"expression": "1+1"}')
    replies = [Scripted("fine"), Scripted(tool_calls=(call,))]
    async with ScriptedServer(models=["m"], replies=replies) as server:
        cluster.add("a", server)
        answer = await cluster.inference.answer(question(temperature=0.0), tenant="me")
        again = await cluster.inference.answer(question(temperature=0.0), tenant="me")
        calling = await cluster.inference.answer(question("calculate"), tenant="me", cache=False)
    assert (answer.text, answer.node, answer.cache_hit) == ("fine", "a", False)
    assert answer.usage.completion_tokens == 1
    assert answer.finish_reason == "stop"
    assert again.cache_hit
    assert calling.tool_calls[0].name == "calculator"
    assert calling.tool_calls[0].arguments == call.arguments


async def test_the_workflows_get_streams(cluster: Cluster) -> None:
    async with ScriptedServer(models=["m"], replies=[Scripted("one two")]) as server:
        cluster.add("a", server)
        stream = await cluster.inference.stream(question(), tenant="me")
        assert "".join([chunk.text async for chunk in stream.chunks]) == "one two"
        again = await cluster.inference.stream(question(), tenant="me")
        assert "".join([chunk.text async for chunk in again.chunks]) == "one two"
        generated = [chunk.text async for chunk in cluster.inference.generate(question("new"))]
    assert (stream.node, stream.cache_hit, again.cache_hit) == ("a", False, True)
    assert "".join(generated) == "one two"


async def serving(answer: Callable[..., Any]) -> web.AppRunner:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


async def test_an_error_under_the_status_of_a_success_is_an_error(cluster: Cluster) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "Out of credits.", "code": 402}})

    runner = await serving(answer)
    cluster.add("odd", f"http://127.0.0.1:{runner.addresses[0][1]}")
    with pytest.raises(EngineError, match="Out of credits"):
        await whole(cluster, body())
    await runner.cleanup()


async def test_streams_of_other_line_ends_pass(cluster: Cluster) -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}'
    stream = event + b"\r\n\r\ndata: [DONE]"

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=stream, headers={"content-type": "text/event-stream"})

    runner = await serving(answer)
    cluster.add("crlf", f"http://127.0.0.1:{runner.addresses[0][1]}")
    _, events = await streamed(cluster, body())
    await runner.cleanup()
    assert events == stream


async def test_comments_show_nothing(cluster: Cluster) -> None:
    seen = asyncio.Event()

    async def loads_and_fails(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": the model is being loaded\n\n")
        await seen.wait()
        error = {"error": {"message": "It does not fit.", "code": "out_of_memory"}}
        await response.write(b"data: " + orjson.dumps(error) + b"\n\n")
        return response

    runner = await serving(loads_and_fails)
    async with ScriptedServer(models=["m"], replies=[Scripted("fine")]) as good:
        cluster.add("full", f"http://127.0.0.1:{runner.addresses[0][1]}")
        cluster.add("good", good)
        call = cluster.inference.prepare(CHAT_PATH, body(stream=True))
        async with await cluster.inference.send(call) as reply:
            assert reply.pieces is not None
            assert await anext(aiter(reply.pieces)) == b": the model is being loaded\n\n"
            seen.set()
            events = b"".join([piece async for piece in reply.pieces])
    await runner.cleanup()
    assert b"fine" in events
    assert b'"error"' not in events


def test_a_node_gets_what_was_checked(cluster: Cluster) -> None:
    twice = orjson.loads(b'{"model": "evil", "model": "m", "prompt": "x", "cache": true}')
    call = cluster.inference.prepare(COMPLETION_PATH, twice)
    assert call.body == b'{"model":"m","prompt":"x"}'


def test_a_call_knows_what_it_generates() -> None:
    assert Call(CHAT_PATH, "m", b"").operation == "chat"
    assert Call(COMPLETION_PATH, "m", b"").operation == "completion"
    assert Call(EMBEDDING_PATH, "m", b"").operation is None
    assert Call("/inference", "m", b"").workers_only
