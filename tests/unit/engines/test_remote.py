"""Engines that dial servers: what goes over the wire, and what its faults turn into."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import pytest
from aiohttp import web

from llmlab.engines import transport
from llmlab.engines.base import Engine
from llmlab.engines.ollama import OllamaEngine, PullProgress
from llmlab.engines.openai import OpenAIEngine
from llmlab.errors import (
    ContextLengthError,
    DeadlineError,
    EngineError,
    InvalidRequestError,
    LabError,
    ModelLoadingError,
    ModelNotFoundError,
    NodeUnreachableError,
    UnavailableError,
)
from llmlab.testing import Reply, ScriptedServer
from llmlab.types import Chunk, GenerateRequest, Message, ToolCall, Usage

HI = GenerateRequest("m", (Message("user", "hi"),))
KINDS = {"openai": OpenAIEngine, "ollama": OllamaEngine}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(["m"], ollama=True) as running:
        yield running


@pytest.fixture(params=list(KINDS))
async def engine(request: pytest.FixtureRequest, server: ScriptedServer) -> AsyncIterator[Engine]:
    made: Engine = KINDS[request.param](server.url)
    yield made
    await made.aclose()


async def collect(engine: Engine, request: GenerateRequest = HI) -> list[Chunk]:
    async with asyncio.timeout(30):
        return [chunk async for chunk in engine.generate(request)]


async def failure(engine: Engine, request: GenerateRequest = HI) -> LabError:
    with pytest.raises(LabError) as caught:
        await collect(engine, request)
    return caught.value


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=500, message="boom"), EngineError),
        (Reply(status=503, message="Loading model"), ModelLoadingError),
        (Reply(status=503, message="busy"), UnavailableError),
        (Reply(status=429, message="slow down", headers={"Retry-After": "7"}), UnavailableError),
        (Reply(status=400, message="bad temperature"), InvalidRequestError),
        (Reply(status=404, message="no such model"), ModelNotFoundError),
        (Reply(status=401, message="who are you"), EngineError),
        (Reply("a b c", fault="close", after=1), EngineError),
        (Reply("a b c", fault="truncate", after=2), EngineError),
        (Reply("a b c", fault="garbage", after=1), EngineError),
        (Reply("a b c", fault="error", after=1, message="boom"), EngineError),
        (Reply(fault="close"), EngineError),
    ],
    ids=lambda value: value.fault or str(value.status) if isinstance(value, Reply) else "",
)
async def test_faults_come_out_as_our_errors(
    server: ScriptedServer, engine: Engine, reply: Reply, kind: type[LabError]
) -> None:
    server.follow(reply, Reply("fine"))

    error = await failure(engine)

    assert isinstance(error, kind)
    if reply.status >= 400 or reply.fault == "error":
        assert reply.message in error.message
    if reply.status == 429:
        assert error.retry_after == 7
    # What a foreign server thinks of our key is not the caller's business.
    assert error.status not in (401, 403)
    assert text_of(await collect(engine)) == "fine"


async def test_a_server_that_hangs_meets_the_deadline(server: ScriptedServer) -> None:
    server.follow(Reply("a b c", fault="hang", after=1))
    for kind in KINDS.values():
        engine = kind(server.url, timeout=0.3)

        with pytest.raises(DeadlineError, match=r"within 0\.3 seconds"):
            await collect(engine)

        await engine.aclose()
    await server.until(lambda seen: seen.active == 0)


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for kind in KINDS.values():
            engine = kind(url)
            assert isinstance(await failure(engine), NodeUnreachableError)
            assert not await engine.healthy()
            with pytest.raises(NodeUnreachableError):
                await engine.models()
            await engine.aclose()


async def test_keys_and_headers_are_sent(server: ScriptedServer) -> None:
    for kind in KINDS.values():
        engine = kind(server.url + "/v1/", api_key="sk-1", headers={"x-llmlab-hops": "1"})
        await collect(engine)
        await engine.aclose()

    for seen in server.requests:
        assert seen.headers["Authorization"] == "Bearer sk-1"
        assert seen.headers["x-llmlab-hops"] == "1"


async def test_a_wrong_key_is_told_as_the_labs_fault() -> None:
    async with ScriptedServer(["m"], api_key="right") as server:
        engine = OpenAIEngine(server.url, api_key="wrong")

        error = await failure(engine)

        assert "refused the lab's key" in error.message
        assert error.status == 502
        await engine.aclose()


async def test_embedding_faults(server: ScriptedServer, engine: Engine) -> None:
    for fault in (Reply(status=500), Reply(fault="garbage"), Reply(fault="close")):
        server.embedding_fault = fault
        with pytest.raises(EngineError):
            await engine.embed("m", ["hi"])

    server.embedding_fault = None
    server.embed = lambda text: cast("list[float]", ["x", text])
    with pytest.raises(EngineError, match="no embeddings"):
        await engine.embed("m", ["hi"])


async def test_reasoning_is_kept_apart(server: ScriptedServer) -> None:
    server.follow(Reply("answer", reasoning="think"))
    engine = OpenAIEngine(server.url)

    chunks = await collect(engine)

    assert "".join(chunk.reasoning for chunk in chunks) == "think"
    assert text_of(chunks) == "answer"
    await engine.aclose()


async def test_usage_of_several_choices_is_summed(server: ScriptedServer) -> None:
    engine = OpenAIEngine(server.url)
    server.follow(Reply("a b"))

    chunks = await collect(engine, GenerateRequest("m", HI.messages, options={"n": 2}))

    assert {chunk.index for chunk in chunks if chunk.text} == {0, 1}
    assert [chunk.usage for chunk in chunks if chunk.usage] == [Usage(1, 2)]
    await engine.aclose()


class Raw:
    """A server that answers one thing, whatever is asked."""

    def __init__(self, body: bytes, content_type: str, status: int = 200, **headers: str) -> None:
        self.answer = (body, content_type, status, headers)
        self.engines: list[Engine] = []
        self.asked = 0

    async def __aenter__(self) -> Raw:
        async def handle(_: web.BaseRequest) -> web.Response:
            self.asked += 1
            body, content_type, status, headers = self.answer
            return web.Response(
                body=body, content_type=content_type, status=status, headers=headers
            )

        self.runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        return self

    def dial(self, kind: type[OpenAIEngine] | type[OllamaEngine]) -> Engine:
        engine = kind(self.url)
        self.engines.append(engine)
        return engine

    async def __aexit__(self, *_: object) -> None:
        for engine in self.engines:
            await engine.aclose()
        await self.runner.cleanup()


async def test_a_server_that_cannot_stream_is_understood() -> None:
    body = (
        b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "whole"},'
        b' "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}'
    )
    async with Raw(body, "application/json") as server:
        chunks = await collect(server.dial(OpenAIEngine))

    assert chunks[0] == Chunk("whole", finish_reason="stop")
    assert chunks[1].usage == Usage(1, 2)


async def test_an_end_without_a_reason_is_a_stop() -> None:
    body = b'data: {"choices": [{"delta": {"content": "x"}}]}\n\ndata: [DONE]\n\n'
    async with Raw(body, "text/event-stream") as server:
        chunks = await collect(server.dial(OpenAIEngine))

    assert chunks == [Chunk("x"), Chunk(finish_reason="stop")]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>", "text/html"),
        (b"[1, 2]", "application/json"),
        (b"null", "application/json"),
        (b'{"data": "x", "models": "x", "embeddings": 3}', "application/json"),
        (b"\xff\xfe", "application/octet-stream"),
        (b"data: [1]\n\n", "text/event-stream"),
        (b'data: {"choices": [{"delta": {"content": 5}}]}\n\n', "text/event-stream"),
        (b'data: {"choices": [{"delta": {"tool_calls": [3]}}]}\n\n', "text/event-stream"),
        (b'data: {"choices": [{"index": "x", "delta": {}}]}\n\n', "text/event-stream"),
    ],
)
async def test_foreign_answers_are_engine_errors(body: bytes, content_type: str) -> None:
    async with Raw(body, content_type) as server:
        for kind in KINDS.values():
            engine = server.dial(kind)
            for call in (engine.models(), engine.embed("m", ["x"]), collect(engine)):
                with pytest.raises(EngineError):
                    await call


async def test_a_redirect_is_not_followed() -> None:
    async with Raw(b"", "text/plain", 307, Location="http://127.0.0.1:1/steal") as server:
        engine = server.dial(OpenAIEngine)

        error = await failure(engine)

        assert "redirect" in error.message
        assert server.asked == 1


async def test_endless_answers_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "JSON_LIMIT", 1000)
    async with Raw(b"[" + b"1," * 200_000, "application/json") as server:
        with pytest.raises(EngineError, match="more than 1000 bytes"):
            await server.dial(OpenAIEngine).models()
    async with Raw(b"data: " + b"x" * (17 << 20), "text/event-stream") as server:
        for kind in KINDS.values():
            with pytest.raises(EngineError, match=r"more than|endless|no JSON"):
                await collect(server.dial(kind))


async def test_overflow_keeps_its_kind() -> None:
    body = b'{"error": {"code": 400, "type": "exceed_context_size_error", "message": "9 > 8"}}'
    async with Raw(body, "application/json", 400) as server:
        assert isinstance(await failure(server.dial(OpenAIEngine)), ContextLengthError)


async def test_details_of_models_are_read() -> None:
    body = (
        b'{"data": [{"id": "a", "max_model_len": 4096},'
        b' {"id": "b", "meta": {"n_ctx": 512, "n_ctx_train": 2048, "size": 99}}, {"no": 1}, 3]}'
    )
    async with Raw(body, "application/json") as server:
        models = await server.dial(OpenAIEngine).models()

    assert [(m.id, m.context_length, m.size_bytes) for m in models] == [
        ("a", 4096, 0),
        ("b", 512, 99),
    ]


async def test_a_kept_connection_that_was_closed_is_opened_anew(server: ScriptedServer) -> None:
    engine = OpenAIEngine(server.url)
    await collect(engine)

    # The server goes and comes back on its port; the pooled connection is dead.
    await server.stop()
    await server.start()

    assert text_of(await collect(engine)) == "Hello!"
    await engine.aclose()


async def test_what_is_no_json_is_refused_before_it_is_sent(engine: Engine) -> None:
    odd = GenerateRequest("m", HI.messages, options=cast("Any", {"stop": object()}))

    assert isinstance(await failure(engine, odd), InvalidRequestError)


async def test_disposing_from_a_thread_closes_the_connections(server: ScriptedServer) -> None:
    engine = OpenAIEngine(server.url)
    engine.dispose()
    await collect(engine)

    await asyncio.to_thread(engine.dispose)

    assert text_of(await collect(engine)) == "Hello!"
    await engine.aclose()


async def test_ollama_gets_its_own_words(server: ScriptedServer) -> None:
    engine = OllamaEngine(server.url)
    schema = {"type": "object"}
    call = ToolCall("c1", "calc", '{"a": 1}')
    request = GenerateRequest(
        "m",
        (
            Message(
                "user", [{"type": "text", "text": "look"}, image("data:image/png;base64,QUJD")]
            ),
            Message("assistant", None, tool_calls=(call,)),
            Message("tool", "2", tool_call_id="c1"),
        ),
        options={
            "max_tokens": 5,
            "temperature": 0.5,
            "stop": ["x"],
            "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
            "tools": [{"type": "function"}],
        },
    )

    await collect(engine, request)

    body = server.requests[-1].body
    assert body["options"] == {"num_predict": 5, "temperature": 0.5, "stop": ["x"]}
    assert body["format"] == schema
    assert body["tools"] == [{"type": "function"}]
    user, assistant, tool = body["messages"]
    assert user == {"role": "user", "content": "look", "images": ["QUJD"]}
    assert assistant["tool_calls"] == [{"function": {"name": "calc", "arguments": {"a": 1}}}]
    assert tool == {"role": "tool", "content": "2", "tool_name": "calc"}

    plain = GenerateRequest("m", prompt="p", options={"response_format": {"type": "json_object"}})
    await collect(engine, plain)
    assert server.requests[-1].body["format"] == "json"
    text = GenerateRequest("m", prompt="p", options={"response_format": {"type": "text"}})
    await collect(engine, text)
    assert "format" not in server.requests[-1].body
    await engine.aclose()


def image(url: str) -> Any:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    "request_",
    [
        GenerateRequest("m", HI.messages, options={"n": 2}),
        GenerateRequest("m", HI.messages, options={"logprobs": True}),
        GenerateRequest("m", (Message("user", [image("http://127.0.0.1/secret")]),)),
        GenerateRequest("m", (Message("user", [{"type": "audio"}]),)),
        GenerateRequest("m", (Message("user", ["text"]),)),
        GenerateRequest("m", (Message("assistant", "", tool_calls=(ToolCall("c", "n", "{"),)),)),
    ],
)
async def test_what_ollama_cannot_do_is_refused(
    server: ScriptedServer, request_: GenerateRequest
) -> None:
    engine = OllamaEngine(server.url)

    assert isinstance(await failure(engine, request_), InvalidRequestError)

    assert server.request_count == 0
    await engine.aclose()


async def test_ollama_tells_what_it_has(server: ScriptedServer) -> None:
    server.models.append("other:7b")
    engine = OllamaEngine(server.url)

    models = await engine.models()

    assert [(model.id, model.loaded) for model in models] == [("m", True), ("other:7b", False)]
    assert all(len(model.digest) == 64 and model.size_bytes == 4096 for model in models)
    assert [model.id for model in await engine.running()] == ["m"]
    shown = await engine.show("m")
    assert (shown.context_length, shown.embeddings) == (4096, True)
    with pytest.raises(ModelNotFoundError):
        await engine.show("none")
    await engine.aclose()


async def test_ollama_pulls_and_tells_how_far_it_is(server: ScriptedServer) -> None:
    engine = OllamaEngine(server.url)

    steps = [step async for step in engine.pull("new")]

    assert steps[0] == PullProgress("pulling manifest")
    assert steps[2] == PullProgress("pulling layer", 2048, 4096)
    assert steps[-1].status == "success"
    assert "new" in [model.id for model in await engine.models()]
    for reply in (
        Reply(status=500),
        Reply(fault="truncate", after=2),
        Reply(fault="error", after=1, message="disk full"),
    ):
        server.follow(reply)
        with pytest.raises(EngineError):
            _ = [step async for step in engine.pull("new")]
    server.follow(Reply(fault="error", message="pull model manifest: file does not exist"))
    with pytest.raises(ModelNotFoundError):
        _ = [step async for step in engine.pull("none")]
    await engine.aclose()


async def test_leaving_a_pull_closes_it(server: ScriptedServer) -> None:
    server.follow(Reply(delay=5))
    engine = OllamaEngine(server.url)

    async with aclosing(cast("Any", engine.pull("new"))) as steps:
        await anext(steps)

    await server.until(lambda seen: seen.cancelled == 1)
    await engine.aclose()


@pytest.mark.parametrize(
    "line",
    [
        b'{"message": {"tool_calls": [3]}}',
        b'{"message": {"tool_calls": [{"function": "x"}]}}',
        b"[]",
        b"x",
    ],
)
async def test_odd_lines_of_ollama_are_engine_errors(line: bytes) -> None:
    async with Raw(b"\n" + line + b"\n", "application/x-ndjson") as server:
        assert isinstance(await failure(server.dial(OllamaEngine)), EngineError)


async def test_the_last_line_may_lack_its_newline() -> None:
    line = b'{"response": "hi", "thinking": "hm", "done": true, "done_reason": "length"}'
    async with Raw(line, "application/x-ndjson") as server:
        chunks = await collect(server.dial(OllamaEngine))

    assert chunks[0] == Chunk("hi", reasoning="hm")
    assert chunks[1].finish_reason == "length"
