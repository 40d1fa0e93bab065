"""The scripted server does what it is told, so that what stands on it can be trusted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import httpx
import openai
import orjson
import pytest

from llmlab.errors import EngineError, UnavailableError
from llmlab.testing import Fault, Reply, Script, ScriptedEngine, ScriptedServer
from llmlab.types import GenerateRequest, Message, ToolCall, Usage

BODY = {"model": "m", "messages": [{"role": "user", "content": "good day"}]}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


async def post(
    http: aiohttp.ClientSession,
    server: ScriptedServer,
    path: str = "/v1/chat/completions",
    **body: object,
) -> tuple[int, bytes]:
    async with http.post(server.url + path, json=BODY | body) as response:
        return response.status, await response.read()


async def said(http: aiohttp.ClientSession, server: ScriptedServer, **body: object) -> str:
    _, raw = await post(http, server, **body)
    return str(orjson.loads(raw)["choices"][0]["message"]["content"])


async def test_the_official_client_understands_it() -> None:
    call = ToolCall("c1", "calc", '{"a": 1}')
    replies = [Reply("hello world"), Reply(tool_calls=(call,)), Reply("a b", reasoning="hm")]
    async with ScriptedServer(["m"], replies) as server:
        client = openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="x", max_retries=0)
        answer = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "good day"}]
        )
        calls = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}]
        )
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "x"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        events = [event async for event in stream]
        vectors = await client.embeddings.create(
            model="m", input=["a", "b"], encoding_format="float"
        )
        models = [model.id async for model in client.models.list()]
        await client.close()

    assert answer.choices[0].message.content == "hello world"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 2)
    assert calls.choices[0].message.tool_calls is not None
    assert calls.choices[0].finish_reason == "tool_calls"
    pieces = [event.choices[0].delta.content for event in events if event.choices]
    assert [piece for piece in pieces if piece] == ["a", " b"]
    assert events[-1].usage is not None
    assert len(vectors.data) == 2
    assert models == ["m"]


async def test_replies_come_in_order_and_the_last_repeats(http: aiohttp.ClientSession) -> None:
    async with ScriptedServer(["m"], [Reply("one"), Reply("two")]) as server:
        assert [await said(http, server) for _ in range(3)] == ["one", "two", "two"]
        server.follow(Reply("new"))
        assert await said(http, server) == "new"


async def test_replies_can_match_and_be_computed(http: aiohttp.ClientSession) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "good night"}]}]
    async with ScriptedServer(["m"], [Reply("bye", when="night"), Reply("hello")]) as server:
        assert await said(http, server) == "hello"
        assert await said(http, server, messages=parts) == "bye"
    async with ScriptedServer(["m"], reply_with=lambda body: Reply(body["user"])) as server:
        assert await said(http, server, user="me") == "me"


async def test_limits_cut_the_answer(http: aiohttp.ClientSession) -> None:
    async with ScriptedServer(["m"], [Reply("a b c", usage=Usage(7, 8, 3))]) as server:
        _, raw = await post(http, server, max_tokens=2)

    answer = orjson.loads(raw)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"] == "a b"
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}


async def test_completions_and_choices(http: aiohttp.ClientSession) -> None:
    async with ScriptedServer(["m"], [Reply("a b")]) as server:
        _, raw = await post(http, server, "/v1/completions", prompt="x", n=2)
        _, streamed = await post(http, server, "/v1/completions", prompt="x", stream=True)

    assert [choice["text"] for choice in orjson.loads(raw)["choices"]] == ["a b", "a b"]
    assert streamed.endswith(b"data: [DONE]\n\n")


async def test_refusals(http: aiohttp.ClientSession) -> None:
    async with ScriptedServer(["m"], api_key="k") as server:
        assert (await post(http, server))[0] == 401
    async with ScriptedServer(["m"]) as server:
        assert (await post(http, server, model="other"))[0] == 404
        assert (await post(http, server, "/v1/embeddings", model="other"))[0] == 404
        assert (await post(http, server, "/nowhere"))[0] == 404
        assert (await post(http, server, "/api/chat"))[0] == 404
        server.follow(Reply(status=418, message="teapot", code="tea", headers={"X-Tea": "1"}))
        async with http.post(server.url + "/v1/chat/completions", json=BODY) as response:
            assert response.status == 418
            assert response.headers["X-Tea"] == "1"
            assert (await response.json())["error"]["code"] == "tea"
    async with ScriptedServer(["m"], any_model=True) as server:
        assert (await post(http, server, model="other"))[0] == 200


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
async def test_faults(http: aiohttp.ClientSession, path: str, stream: bool) -> None:
    async with ScriptedServer(["m"], ollama=True) as server:
        server.follow(Reply("a b c", fault="close", after=1))
        with pytest.raises(aiohttp.ClientError):
            await post(http, server, path, stream=stream)
        server.follow(Reply("a b c", fault="garbage", after=1))
        assert b"{this is no JSON" in (await post(http, server, path, stream=stream))[1]
        server.follow(Reply("a b c", fault="error", message="boom"))
        assert b"boom" in (await post(http, server, path, stream=stream))[1]
        server.follow(Reply("a b c", fault="hang", after=1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await post(http, server, path, stream=stream)
        await server.until(lambda seen: seen.active == 0 and seen.cancelled == 1)


async def test_clients_that_leave_are_counted(http: aiohttp.ClientSession) -> None:
    async with ScriptedServer(["m"], [Reply("a b c", delay=9)]) as server:
        async with http.post(
            server.url + "/v1/chat/completions", json=BODY | {"stream": True}
        ) as response:
            await response.content.readany()
            assert server.active == 1
            response.close()
        await server.until(lambda seen: seen.cancelled == 1)
        with pytest.raises(TimeoutError):
            await server.until(lambda seen: seen.cancelled == 2, timeout=0.02)

    # Ending the server is nobody's leaving.
    assert (server.cancelled, server.active, server.request_count) == (1, 0, 1)


async def test_embeddings_can_fail(http: aiohttp.ClientSession) -> None:
    async with ScriptedServer(["m"], embedding_fault=Reply(status=503), ollama=True) as server:
        assert (await post(http, server, "/v1/embeddings", input="x"))[0] == 503
        assert (await post(http, server, "/api/embed", input="x"))[0] == 503
        server.embedding_fault = None
        assert (await post(http, server, "/api/embed", input="x"))[0] == 200
        assert (await post(http, server, "/api/embed", model="other"))[0] == 404


async def test_ollama_answers_whole_too(http: aiohttp.ClientSession) -> None:
    call = ToolCall("c1", "calc", '{"a": 1}')
    async with ScriptedServer(["m"], [Reply("x", tool_calls=(call,))], ollama=True) as server:
        _, raw = await post(http, server, "/api/chat", stream=False)
        _, text = await post(http, server, "/api/generate", stream=False, prompt="p")
        _, missing = await post(http, server, "/api/generate", model="other")

    calls = orjson.loads(raw)["message"]["tool_calls"]
    assert calls == [{"function": {"name": "calc", "arguments": {"a": 1}}}]
    assert orjson.loads(text)["response"] == "x"
    assert b"not found" in missing


def test_it_serves_from_a_thread_and_keeps_its_port() -> None:
    server = ScriptedServer(["m"])
    with server:
        assert httpx.get(server.url + "/health").json() == {"status": "ok"}
        port = server.port
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url + "/health")
    with server:
        assert server.port == port
        with pytest.raises(OSError, match="in use"):
            ScriptedServer(["m"], port=port).__enter__()
        seen = httpx.post(server.url + "/v1/completions", content=b"no json")
        assert seen.status_code == 404
        assert server.requests[-1].body == {}


async def test_the_engine_follows_the_same_script() -> None:
    engine = ScriptedEngine(["m"], [Reply("a b", reasoning="hm"), Reply(status=503)])
    request = GenerateRequest("m", (Message("user", "x"),))

    chunks = [chunk async for chunk in engine.generate(request)]

    assert "".join(chunk.text for chunk in chunks) == "a b"
    assert chunks[0].reasoning == "hm"
    with pytest.raises(UnavailableError, match="told to fail"):
        await collect(engine, request, [])
    faults: tuple[Fault, ...] = ("close", "garbage")
    for fault in faults:
        engine.script = Script([Reply("a b", fault=fault, after=1)])
        heard: list[str] = []
        with pytest.raises(EngineError, match="told to fail"):
            await collect(engine, request, heard)
        assert heard == ["a"]
    assert len(engine.requests) == 4
    assert await engine.healthy()
    engine.dispose()
    assert not await engine.healthy()


async def collect(engine: ScriptedEngine, request: GenerateRequest, heard: list[str]) -> None:
    async for chunk in engine.generate(request):
        heard.append(chunk.text)  # noqa: PERF401 - what came before a fault counts
