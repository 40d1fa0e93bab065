from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from tests.unit.models.fakes import FakeLauncher, MakeManager, room_for, wait_until

from llmlab.errors import (
    DeadlineError,
    EngineCrashedError,
    EngineError,
    InvalidModelFileError,
    ModelNotFoundError,
    OutOfMemoryError,
)
from llmlab.models.catalog import ModelCatalog
from llmlab.models.executor import ModelExecutor
from llmlab.models.manager import ModelManager
from llmlab.models.records import ModelRecord
from llmlab.protocol.lab import InferenceBody
from llmlab.settings import Settings
from llmlab.testing import Reply, ScriptedServer
from llmlab.types import Chunk, GenerateRequest, Message


def ask(model: str = "a", **options: Any) -> GenerateRequest:
    return GenerateRequest(model, (Message("user", "hi"),), options=options)


async def text_of(chunks: AsyncIterator[Chunk]) -> str:
    return "".join([chunk.text async for chunk in chunks])


def outcomes(executor: ModelExecutor) -> dict[tuple[str, str], float]:
    samples = cast("Any", executor.metrics.to_dict()["llmlab_model_requests_total"])
    return {(s["labels"]["model"], s["labels"]["outcome"]): s["value"] for s in samples}


@pytest.fixture
async def executor(manager: ModelManager, home: Path) -> AsyncIterator[ModelExecutor]:
    executor = ModelExecutor(manager, Settings.from_dict({"home": str(home), "model": "a"}))
    yield executor
    await executor.aclose()


async def test_a_request_loads_its_model_once(
    executor: ModelExecutor, launcher: FakeLauncher
) -> None:
    launcher.replies = [Reply("hello big world")]
    answers = await asyncio.gather(*(text_of(executor.generate(ask())) for _ in range(50)))
    assert set(answers) == {"hello big world"}
    assert launcher.launched == ["a"]
    assert outcomes(executor) == {("a", "ok"): 50}


async def test_a_request_on_a_loaded_model_needs_neither_thread_nor_disk(
    executor: ModelExecutor, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await executor.load("a")
    before = sorted(home.rglob("*"))

    def no_threads(*_: object) -> None:
        raise AssertionError("a thread on the hot path")

    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", no_threads)
    for _ in range(20):
        assert await text_of(executor.generate(ask())) == "Hello!"
    monkeypatch.undo()
    assert sorted(home.rglob("*")) == before


async def test_an_unknown_model_is_counted_without_its_name(executor: ModelExecutor) -> None:
    with pytest.raises(ModelNotFoundError, match="There are a, b, c, d"):
        await text_of(executor.generate(ask("nope")))
    assert outcomes(executor) == {("", "model_not_found"): 1}


async def test_the_strategy_is_passed_on(executor: ModelExecutor, launcher: FakeLauncher) -> None:
    await text_of(executor.generate(ask(), strategy="optimized"))
    assert [options.kv_type for options in launcher.options] == ["q8_0"]


async def test_closing_the_answer_stops_the_engine_and_frees_the_model(
    executor: ModelExecutor, launcher: FakeLauncher
) -> None:
    launcher.replies = [Reply("one two three", delay=10)]
    chunks = cast("Any", executor.generate(ask()))
    async with aclosing(chunks):
        assert (await anext(chunks)).text == "one"
        (model,) = executor.manager.loaded()
        assert model.in_flight == 1
    assert model.in_flight == 0
    assert launcher.engines[0].cancelled == 1
    assert outcomes(executor) == {("a", "cancelled"): 1}


async def test_who_leaves_while_a_model_loads_does_not_end_the_load(
    executor: ModelExecutor, launcher: FakeLauncher
) -> None:
    launcher.gate.clear()
    waiting = asyncio.create_task(text_of(executor.generate(ask())))
    await asyncio.to_thread(launcher.started.acquire, True, 5)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    launcher.gate.set()
    assert await text_of(executor.generate(ask())) == "Hello!"
    assert launcher.launched == ["a"]
    (model,) = executor.manager.loaded()
    assert model.in_flight == 0


async def test_a_failed_load_reaches_everybody(
    executor: ModelExecutor, launcher: FakeLauncher
) -> None:
    launcher.error = InvalidModelFileError("a.gguf is rubbish")
    results = await asyncio.gather(
        *(text_of(executor.generate(ask())) for _ in range(10)), return_exceptions=True
    )
    assert all(isinstance(result, InvalidModelFileError) for result in results)
    assert len({id(result) for result in results}) == 10


async def test_many_waiting_loads_do_not_keep_a_loaded_model_from_answering(
    make_manager: MakeManager, home: Path, launcher: FakeLauncher
) -> None:
    manager = make_manager(max_vram_usage=room_for(1.5))
    executor = ModelExecutor(manager, Settings.from_dict({"home": str(home)}))
    launcher.replies = [Reply("one two", delay=0.2), Reply("fine")]
    busy = asyncio.create_task(text_of(executor.generate(ask("a"))))
    await asyncio.to_thread(
        wait_until, lambda: bool(launcher.engines and launcher.engines[0].requests)
    )
    waiting = [asyncio.create_task(text_of(executor.generate(ask("b")))) for _ in range(30)]
    assert await text_of(executor.generate(ask("a"))) == "fine"
    assert await busy == "one two"
    assert set(await asyncio.gather(*waiting)) == {"one two", "fine"}
    await executor.aclose()


async def test_no_room_is_told_with_numbers(
    make_manager: MakeManager, home: Path, launcher: FakeLauncher
) -> None:
    values = {"max_vram_usage": room_for(1.5), "load_timeout": 0.1}
    executor = ModelExecutor(
        make_manager(**values), Settings.from_dict({"home": str(home), **values})
    )
    launcher.replies = [Reply("one two", delay=10)]
    chunks = cast("Any", executor.generate(ask("a")))
    async with aclosing(chunks):
        await anext(chunks)
        with pytest.raises(OutOfMemoryError, match=r"a \(0.04 GB, answering 1\)"):
            await text_of(executor.generate(ask("b")))
    await executor.aclose()


async def test_a_crash_in_mid_answer_is_told_and_the_next_request_loads_again(
    executor: ModelExecutor, launcher: FakeLauncher
) -> None:
    launcher.replies = [Reply("one two three", fault="close", after=2)]
    chunks = cast("Any", executor.generate(ask()))
    assert [(await anext(chunks)).text, (await anext(chunks)).text] == ["one", " two"]
    with pytest.raises(EngineCrashedError):
        await anext(chunks)
    assert executor.manager.loaded() == []
    launcher.replies = [Reply("again")]
    assert await text_of(executor.generate(ask())) == "again"
    assert launcher.launched == ["a", "a"]
    assert outcomes(executor) == {("a", "engine_crashed"): 1, ("a", "ok"): 1}


async def test_a_crash_between_requests_is_not_shown(
    executor: ModelExecutor, launcher: FakeLauncher
) -> None:
    launcher.replies = [Reply("first"), Reply(fault="close")]
    assert await text_of(executor.generate(ask())) == "first"
    launcher.replies = [Reply("second")]
    assert await text_of(executor.generate(ask())) == "second"
    assert launcher.launched == ["a", "a"]


async def test_a_request_that_crashes_every_engine_is_tried_twice_only(
    executor: ModelExecutor, launcher: FakeLauncher
) -> None:
    launcher.replies = [Reply(fault="close")]
    await executor.load("a")
    with pytest.raises(EngineCrashedError):
        await text_of(executor.generate(ask()))
    assert launcher.launched == ["a", "a"]
    with pytest.raises(EngineCrashedError):
        await text_of(executor.generate(ask()))
    assert launcher.launched == ["a", "a", "a"]


async def test_an_error_of_the_engine_leaves_the_model_loaded(
    executor: ModelExecutor, launcher: FakeLauncher
) -> None:
    launcher.replies = [Reply(status=500, message="bad day"), Reply("fine")]
    with pytest.raises(EngineError, match="bad day"):
        await text_of(executor.generate(ask()))
    assert await text_of(executor.generate(ask())) == "fine"
    assert launcher.launched == ["a"]


async def test_a_model_at_a_server_is_asked_by_its_name_there(
    executor: ModelExecutor, catalog: ModelCatalog
) -> None:
    async with ScriptedServer(models=["x/y"], replies=[Reply("from afar")]) as server:
        catalog.set_detected(
            [ModelRecord("far", "openai", url=server.url, remote_name="x/y", embeddings=True)]
        )
        assert await text_of(executor.generate(ask("far:latest"))) == "from afar"
        assert await text_of(executor.generate(ask("far"))) == "from afar"
        vectors, usage = await executor.embed("far", ["one", "two"])
        assert len(vectors) == 2
        assert usage.prompt_tokens > 0
        assert {request.body.get("model") for request in server.requests} == {"x/y"}


# Embeddings -------------------------------------------------------------------------------


async def test_embeddings(executor: ModelExecutor, launcher: FakeLauncher) -> None:
    vectors, usage = await executor.embed("a", ["one two", "three"])
    assert [len(vector) for vector in vectors] == [8, 8]
    assert usage.prompt_tokens == 3
    assert launcher.options[0].embeddings
    assert outcomes(executor) == {("a", "ok"): 1}


async def test_a_large_model_is_loaded_for_embeddings_when_somebody_wants_them(
    executor: ModelExecutor, launcher: FakeLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmlab.models.strategies.EMBEDS_UP_TO", 0)
    await text_of(executor.generate(ask()))
    for _ in range(2):
        await executor.embed("a", ["one"])
    assert [options.embeddings for options in launcher.options] == [False, True]
    assert all(model.in_flight == 0 for model in executor.manager.loaded())


async def test_embeddings_of_an_unknown_model(executor: ModelExecutor) -> None:
    with pytest.raises(ModelNotFoundError):
        await executor.embed("nope", ["one"])
    assert outcomes(executor) == {("", "model_not_found"): 1}


async def test_embeddings_after_a_crash(
    executor: ModelExecutor, launcher: FakeLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await executor.load("a")

    async def crash(*_: object) -> None:
        raise EngineCrashedError("gone")

    monkeypatch.setattr(model.engine, "embed", crash)
    vectors, _ = await executor.embed("a", ["one"])
    assert len(vectors) == 1
    assert launcher.launched == ["a", "a"]


# execute() --------------------------------------------------------------------------------


async def test_execute_tells_what_it_cost(
    executor: ModelExecutor, launcher: FakeLauncher, home: Path
) -> None:
    launcher.replies = [Reply("one two three")]
    first = await executor.execute(InferenceBody(prompt="count", max_tokens=3, temperature=0))
    second = await executor.execute(InferenceBody(prompt="count", model="a"))
    assert first.output == "one two three"
    assert not first.cache_hit
    assert second.cache_hit
    assert first.load_time_sec > 0
    assert second.load_time_sec == 0
    assert first.tokens_generated == 3
    assert first.total_time_sec == pytest.approx(first.load_time_sec + first.inference_time_sec)
    assert (first.model_name, first.strategy) == ("a", "standard")
    assert first.gpu_memory_used_gb == 0
    assert first.finish_reason == "stop"
    assert first.usage.total_tokens == 4
    request = launcher.engines[0].requests[0]
    assert request.options == {"max_tokens": 3, "temperature": 0}
    await asyncio.to_thread(wait_until, (home / "metrics/worker.json").exists)
    path = home / "results" / f"{first.run_id}.json"
    await asyncio.to_thread(wait_until, path.exists)
    assert json.loads(path.read_text()) == first.model_dump(mode="json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_execute_has_a_deadline(
    manager: ModelManager, home: Path, launcher: FakeLauncher
) -> None:
    settings = Settings.from_dict({"home": str(home), "request_timeout": 0.1})
    executor = ModelExecutor(manager, settings)
    launcher.replies = [Reply("one two", delay=30)]
    with pytest.raises(DeadlineError, match=r"a did not finish within 0.1 s"):
        await executor.execute(InferenceBody(prompt="count", model="a"))
    assert launcher.engines[0].cancelled == 1
    await executor.aclose()


async def test_execute_counts_pieces_where_the_engine_tells_no_usage(
    executor: ModelExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await executor.load("a")

    async def generate(_: GenerateRequest) -> AsyncIterator[Chunk]:
        yield Chunk("one")
        yield Chunk("two", finish_reason="stop")

    monkeypatch.setattr(model.engine, "generate", generate)
    result = await executor.execute(InferenceBody(prompt="count"))
    assert (result.output, result.tokens_generated) == ("onetwo", 2)


# The end ----------------------------------------------------------------------------------


async def test_closing_ends_loads_and_leaves_nothing(
    manager: ModelManager, home: Path, launcher: FakeLauncher
) -> None:
    executor = ModelExecutor(manager, Settings.from_dict({"home": str(home)}), name="w1")
    await text_of(executor.generate(ask("a")))
    launcher.gate.clear()
    waiting = asyncio.create_task(text_of(executor.generate(ask("b"))))
    await asyncio.to_thread(wait_until, lambda: len(launcher.launched) == 2)
    await executor.aclose()
    with pytest.raises(Exception, match="being stopped"):
        await waiting
    assert launcher.processes[0].stops == 1
    assert launcher.engines[0].closed
    assert (home / "metrics/w1.json").exists()
    assert [t.get_name() for t in asyncio.all_tasks() if "journal" in t.get_name()] == []


async def test_unloading_through_the_executor(executor: ModelExecutor) -> None:
    await executor.load("a")
    assert await executor.unload("a")
    assert not await executor.unload("a")
