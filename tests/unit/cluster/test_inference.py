"""The one door: cache, one generation for equal requests, what passes through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from llmlab.cluster.calls import CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH, Call
from llmlab.errors import EngineError, InvalidRequestError
from llmlab.testing import Reply as Scripted
from llmlab.testing import ScriptedServer
from llmlab.types import GenerateRequest, Message, ToolCall

from .asking import body, streamed, text_of, whole
from .conftest import Cluster


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
