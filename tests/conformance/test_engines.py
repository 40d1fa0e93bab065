"""The contract of every engine: what one can do, all can, in the same words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from llmlab.engines.base import Engine
from llmlab.engines.llama_cpp import LaunchOptions, LlamaCppEngine, LlamaCppProcess, launch
from llmlab.engines.ollama import OllamaEngine
from llmlab.engines.openai import OpenAIEngine
from llmlab.engines.registry import engine_class, engine_names
from llmlab.errors import EngineError, InvalidRequestError, ModelNotFoundError, NotFoundError
from llmlab.testing import Reply, ScriptedEngine, ScriptedServer
from llmlab.testing.script import last_text
from llmlab.testing.tiny_gguf import token_id, write_tiny_gguf
from llmlab.types import Chunk, GenerateRequest, JsonObject, Message, ToolCall, Usage

MODEL = "tiny"
ENGINES = ("llama_cpp", "openai", "ollama", "scripted")
TOOL: JsonObject = {
    "type": "function",
    "function": {
        "name": "calculator",
        "description": "Computes.",
        "parameters": {
            "type": "object",
            "properties": {"digit": {"type": "integer", "enum": [1, 2]}},
            "required": ["digit"],
            "additionalProperties": False,
        },
    },
}
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"mood": {"type": "string", "enum": ["good", "bad"]}},
    "required": ["mood"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Subject:
    engine: Engine
    in_flight: Callable[[], Awaitable[int]]
    # Ends what the engine dials, as a crash or a power cut would.
    end: Callable[[], Awaitable[None]]

    @property
    def name(self) -> str:
        return self.engine.name


def answer(body: dict[str, Any]) -> Reply:
    """What the scripted ones say, so that they do what the real one does."""
    if body.get("tools") and not any(m["role"] == "tool" for m in body["messages"]):
        return Reply(tool_calls=(ToolCall("call_1", "calculator", '{"digit": 2}'),))
    if body.get("response_format") or body.get("format"):
        return Reply('{"mood": "good"}')
    return Reply("word " * 5000, delay=0.05 if "slowly" in last_text(body) else 0.0)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppProcess]:
    path = write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", context_length=65536)
    options = LaunchOptions(context_length=65536, parallel=2, embeddings=True)
    loaded = launch(path, options, timeout=60, name=MODEL)
    yield loaded
    loaded.stop()


@pytest.fixture(params=ENGINES)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "llama_cpp":
        engine = LlamaCppEngine.of(request.getfixturevalue("process"))

        async def ended() -> None:
            engine.process.stop()

        yield Subject(engine, engine.busy_slots, ended)
        await engine.aclose()
    elif request.param == "scripted":
        scripted = ScriptedEngine([MODEL], reply_with=answer)

        async def active() -> int:
            return scripted.active

        yield Subject(scripted, active, scripted.aclose)
    else:
        async with ScriptedServer([MODEL], reply_with=answer, ollama=True) as server:
            kind = OpenAIEngine if request.param == "openai" else OllamaEngine
            remote = kind(server.url)

            async def open_requests() -> int:
                return server.active

            yield Subject(remote, open_requests, server.stop)
            await remote.aclose()


def chat(text: str = "hi", **options: Any) -> GenerateRequest:
    return GenerateRequest(MODEL, (Message("user", text),), options=options)


async def collect(engine: Engine, request: GenerateRequest) -> list[Chunk]:
    async with asyncio.timeout(60):
        return [chunk async for chunk in engine.generate(request)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def usage_of(chunks: list[Chunk]) -> Usage:
    (usage,) = [chunk.usage for chunk in chunks if chunk.usage is not None]
    return usage


def reason_of(chunks: list[Chunk]) -> str:
    (reason,) = [chunk.finish_reason for chunk in chunks if chunk.finish_reason is not None]
    return reason


async def idle(subject: Subject) -> None:
    async with asyncio.timeout(10):
        while await subject.in_flight():
            await asyncio.sleep(0.01)


async def busy(subject: Subject) -> None:
    async with asyncio.timeout(10):
        while not await subject.in_flight():
            await asyncio.sleep(0.001)


async def test_chat_comes_in_pieces_with_one_end_and_one_usage(subject: Subject) -> None:
    chunks = await collect(subject.engine, chat(max_tokens=8))

    pieces = [chunk for chunk in chunks if chunk.text]
    assert len(pieces) > 1
    assert reason_of(chunks) == "length"
    assert usage_of(chunks).prompt_tokens > 0
    assert usage_of(chunks).completion_tokens == 8
    # Nothing empty is passed on, and the count of tokens comes last.
    assert all(chunk != Chunk() for chunk in chunks)
    assert chunks[-1].usage is not None


async def test_completion_continues_a_text(subject: Subject) -> None:
    request = GenerateRequest(MODEL, prompt="once upon", options={"max_tokens": 6})

    chunks = await collect(subject.engine, request)

    assert text_of(chunks)
    assert reason_of(chunks) == "length"
    assert usage_of(chunks).completion_tokens == 6


async def test_a_schema_shapes_the_answer(subject: Subject) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "mood", "schema": SCHEMA}}

    chunks = await collect(subject.engine, chat(max_tokens=200, response_format=form))

    assert json.loads(text_of(chunks))["mood"] in ("good", "bad")
    assert reason_of(chunks) == "stop"


async def test_tools_are_called_with_their_arguments(subject: Subject) -> None:
    # A random model has to be pushed into a call and, once it made one, to its end.
    request = chat(
        tools=[TOOL],
        tool_choice="required",
        max_tokens=500,
        temperature=0,
        presence_penalty=2,
        logit_bias={str(token_id("<tool_call>")): 91, str(token_id("<|im_end|>")): 90},
    )

    chunks = await collect(subject.engine, request)

    deltas = [delta for chunk in chunks for delta in chunk.tool_calls if delta.index == 0]
    assert [delta.id for delta in deltas if delta.id]
    assert "".join(delta.name or "" for delta in deltas) == "calculator"
    assert json.loads("".join(delta.arguments for delta in deltas))["digit"] in (1, 2)
    assert reason_of(chunks) == "tool_calls"


async def test_a_conversation_with_tool_results_goes_on(subject: Subject) -> None:
    call = ToolCall("call_1", "calculator", '{"digit": 2}')
    messages = (
        Message("system", "Be short."),
        Message("user", "compute"),
        Message("assistant", None, tool_calls=(call,)),
        Message("tool", "2", tool_call_id="call_1"),
    )
    options: JsonObject = {"tools": [TOOL], "tool_choice": "none", "max_tokens": 4}

    chunks = await collect(subject.engine, GenerateRequest(MODEL, messages, options=options))

    assert text_of(chunks)


async def test_embeddings_keep_the_order_of_the_texts(subject: Subject) -> None:
    vectors, usage = await subject.engine.embed(MODEL, ["one", "two words", "one"])

    assert len(vectors) == 3
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-3)
    assert vectors[0] != pytest.approx(vectors[1], abs=1e-3)
    assert usage.prompt_tokens > 0
    with pytest.raises(InvalidRequestError, match="at least one text"):
        await subject.engine.embed(MODEL, [])


async def test_models_are_listed(subject: Subject) -> None:
    assert [model.id for model in await subject.engine.models()] == [MODEL]
    assert await subject.engine.healthy()


async def test_closing_a_stream_stops_the_generation(subject: Subject) -> None:
    async with aclosing(cast("Any", subject.engine.generate(chat("slowly")))) as chunks:
        await anext(chunks)
        assert await subject.in_flight() == 1

    await idle(subject)


async def test_cancelling_who_collects_stops_the_generation(subject: Subject) -> None:
    collector = asyncio.create_task(collect(subject.engine, chat("slowly")), name="collector")
    await busy(subject)

    collector.cancel()

    with pytest.raises(asyncio.CancelledError):
        await collector
    await idle(subject)


async def test_many_leave_at_once_and_the_next_is_served(subject: Subject) -> None:
    request = chat("slowly")
    collectors = [
        asyncio.create_task(collect(subject.engine, request), name=f"collector-{number}")
        for number in range(8)
    ]
    await busy(subject)

    for collector in collectors:
        collector.cancel()
    await asyncio.gather(*collectors, return_exceptions=True)

    await idle(subject)
    assert text_of(await collect(subject.engine, chat(max_tokens=3)))


async def test_what_no_engine_takes_is_refused(subject: Subject) -> None:
    if subject.engine.capabilities.logprobs:
        await collect(subject.engine, chat(logprobs=True, max_tokens=1))
    else:
        with pytest.raises(InvalidRequestError, match="does not support logprobs"):
            await collect(subject.engine, chat(logprobs=True))


async def test_an_unknown_model_is_not_found(subject: Subject) -> None:
    if subject.engine.capabilities.launched:
        pytest.skip("a launched engine has one model, whatever it is called")
    with pytest.raises(ModelNotFoundError):
        await collect(subject.engine, GenerateRequest("other", (Message("user", "hi"),)))
    with pytest.raises(ModelNotFoundError):
        await subject.engine.embed("other", ["hi"])


async def test_a_closed_engine_can_be_used_again(subject: Subject) -> None:
    if subject.name == "scripted":
        pytest.skip("it tells that it was closed instead")
    await collect(subject.engine, chat(max_tokens=1))

    await subject.engine.aclose()

    assert text_of(await collect(subject.engine, chat(max_tokens=1)))
    subject.engine.dispose()
    subject.engine.dispose()


async def test_an_end_in_mid_stream_is_an_engine_error(subject: Subject) -> None:
    # Last, because it ends the process that the tests above share.
    if subject.name == "scripted":
        pytest.skip("it has no other end")
    async with aclosing(cast("Any", subject.engine.generate(chat("slowly")))) as chunks:
        await anext(chunks)
        await subject.end()
        with pytest.raises(EngineError):
            async for _ in chunks:
                pass

    assert not await subject.engine.healthy()
    with pytest.raises(EngineError):
        await collect(subject.engine, chat())


def test_engines_are_found_by_name() -> None:
    assert engine_names() == ("llama_cpp", "openai", "ollama")
    for name in engine_names():
        assert engine_class(name).name == name
    with pytest.raises(NotFoundError, match="llama_cpp, openai, ollama"):
        engine_class("nonsense")


def test_nothing_heavy_is_imported_for_a_name() -> None:
    import subprocess
    import sys

    code = (
        "import sys, llmlab.engines.registry, llmlab.engines.base;"
        "print([m for m in ('aiohttp', 'xllamacpp', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_model_file_of_the_tests_is_small(tmp_path: Path) -> None:
    assert write_tiny_gguf(tmp_path / "tiny.gguf").stat().st_size < 300_000
