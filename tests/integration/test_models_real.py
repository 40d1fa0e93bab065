"""Models, engines and real child processes of llama.cpp together, on tiny models."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from llmlab.errors import (
    EngineCrashedError,
    InvalidModelFileError,
    OutOfMemoryError,
    UnavailableError,
)
from llmlab.models.catalog import ModelCatalog
from llmlab.models.executor import ModelExecutor
from llmlab.models.hardware import GB
from llmlab.models.manager import ModelManager
from llmlab.protocol.lab import InferenceBody
from llmlab.settings import Settings
from llmlab.testing.tiny_gguf import write_tiny_gguf
from llmlab.types import Chunk, GenerateRequest, Message

CYCLES = 50


def children() -> list[psutil.Process]:
    """The model processes of this test process, dead ones that nobody collected included."""
    return [child for child in psutil.Process().children() if _is_model(child)]


def _is_model(process: psutil.Process) -> bool:
    try:
        command = " ".join(process.cmdline())
        return process.status() == psutil.STATUS_ZOMBIE or "llmlab" in command
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the state did not come"
        time.sleep(0.005)


def ask(model: str = "a", tokens: int = 8) -> GenerateRequest:
    return GenerateRequest(model, (Message("user", "hi"),), options={"max_tokens": tokens})


async def text_of(chunks: AsyncIterator[Chunk]) -> str:
    return "".join([chunk.text async for chunk in chunks])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    tiny = {
        name: write_tiny_gguf(folder / f"{name}.gguf", seed=seed)
        for seed, name in enumerate(("a", "b", "c"))
    }
    # Large enough that an answer takes a while.
    slow = write_tiny_gguf(folder / "slow.gguf", layers=6, width=256, context_length=4096)
    return tiny | {"slow": slow}


LONG = 3000


@pytest.fixture(autouse=True)
def _children_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    # Measuring coverage in each child would cost more than what is tested here.
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    monkeypatch.delenv("COVERAGE_PROCESS_START", raising=False)


@pytest.fixture
def catalog(tmp_path: Path, files: dict[str, Path]) -> ModelCatalog:
    catalog = ModelCatalog(tmp_path / "home", builtin=None)
    for path in files.values():
        catalog.add(path)
    return catalog


@pytest.fixture
def make(catalog: ModelCatalog, tmp_path: Path) -> Iterator[Callable[..., ModelExecutor]]:
    before = {child.pid for child in children()}
    made: list[ModelExecutor] = []

    def build(**values: Any) -> ModelExecutor:
        settings = Settings.from_dict(
            {"home": str(tmp_path / "home"), "context_length": 4096, "parallel": 2, **values}
        )
        executor = ModelExecutor(ModelManager(catalog, settings, interval=0.05), settings)
        made.append(executor)
        return executor

    yield build
    for executor in made:
        executor.manager.close()
    assert {child.pid for child in children()} <= before, "a child outlived its manager"


@pytest.fixture
async def executor(make: Callable[..., ModelExecutor]) -> AsyncIterator[ModelExecutor]:
    executor = make()
    yield executor
    await executor.aclose()


async def test_an_answer_and_what_it_cost(executor: ModelExecutor) -> None:
    first = await executor.execute(InferenceBody(prompt="hi", model="a", max_tokens=8))
    second = await executor.execute(InferenceBody(prompt="hi", model="a", max_tokens=8))
    assert len(first.output) > 0
    assert (first.cache_hit, second.cache_hit) == (False, True)
    assert first.load_time_sec > second.load_time_sec == 0
    assert first.tokens_generated == second.tokens_generated == 8
    assert first.finish_reason == "length"
    (model,) = executor.manager.loaded()
    assert model.process is not None
    rss = psutil.Process(model.process.pid).memory_info().rss
    assert model.memory_bytes == pytest.approx(rss, rel=0.3)
    vectors, usage = await executor.embed("a", ["one", "two"])
    assert len(vectors) == 2
    assert usage.prompt_tokens > 0


def test_one_process_however_many_threads_ask(make: Callable[..., ModelExecutor]) -> None:
    manager = make().manager
    with ThreadPoolExecutor(24) as pool:
        models = list(pool.map(lambda _: manager.load_model("a"), range(48)))
    assert len({id(model) for model in models}) == 1
    assert len(children()) == 1
    assert "llmlab model a" in " ".join(children()[0].cmdline())


async def test_one_process_however_many_requests_come(executor: ModelExecutor) -> None:
    answers = await asyncio.gather(*(text_of(executor.generate(ask())) for _ in range(30)))
    assert all(answers)
    assert len(children()) == 1


def test_the_least_recently_used_leaves_by_what_is_measured(
    make: Callable[..., ModelExecutor],
) -> None:
    size = make().manager.load_model("a").memory_bytes
    manager = make(max_vram_usage=2.6 * size / GB).manager
    first = manager.load_model("a")
    manager.load_model("b")
    with manager.lease("a"):
        pass
    manager.load_model("c")
    assert {model.key for model in manager.loaded()} == {"a", "c"}
    assert manager.get_model("a") is first
    stats = manager.get_memory_stats()
    assert stats.used <= stats.budget
    with manager.lease("a"), manager.lease("c"):
        with pytest.raises(OutOfMemoryError, match=r"answering 1.*answering 1"):
            manager.lease("b", timeout=0.1)
        assert len(manager.loaded()) == 2


async def test_killed_while_idle(executor: ModelExecutor) -> None:
    assert await text_of(executor.generate(ask()))
    process = executor.manager.loaded()[0].process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    assert await text_of(executor.generate(ask()))
    (again,) = executor.manager.loaded()
    assert again.process is not None
    assert again.process.pid != process.pid
    await asyncio.to_thread(wait_until, lambda: len(children()) == 1)


async def test_killed_in_mid_answer(executor: ModelExecutor) -> None:
    chunks = cast("Any", executor.generate(ask("slow", tokens=LONG)))
    async with aclosing(chunks):
        await anext(chunks)
        (model,) = executor.manager.loaded()
        assert model.process is not None
        os.kill(model.process.pid, signal.SIGKILL)
        with pytest.raises(EngineCrashedError, match=r"model slow .*SIGKILL"):
            await text_of(chunks)
    assert executor.manager.loaded() == []
    assert await text_of(executor.generate(ask()))
    await asyncio.to_thread(wait_until, lambda: len(children()) == 1)


async def test_killed_again_and_again_while_requests_come(executor: ModelExecutor) -> None:
    async def keep_asking() -> None:
        while not done.is_set():
            with contextlib.suppress(EngineCrashedError):
                assert await text_of(executor.generate(ask(tokens=20)))

    done = asyncio.Event()
    asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
    for _ in range(5):
        async with asyncio.timeout(10):
            while not (loaded := [m for m in executor.manager.loaded() if m.served]):
                await asyncio.sleep(0.005)
        assert loaded[0].process is not None
        os.kill(loaded[0].process.pid, signal.SIGKILL)
    done.set()
    await asyncio.gather(*asking)
    assert await text_of(executor.generate(ask()))
    assert all(model.in_flight == 0 for model in executor.manager.loaded())


@pytest.mark.parametrize("damage", ["truncated", "random", "absurd"])
async def test_a_corrupt_file_is_named_and_harms_nobody(
    executor: ModelExecutor,
    catalog: ModelCatalog,
    files: dict[str, Path],
    tmp_path: Path,
    damage: str,
) -> None:
    content = files["a"].read_bytes()
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    catalog.add(path)
    broken = {
        "truncated": content[: len(content) // 2],
        "random": b"GGUF\x03\x00\x00\x00" + os.urandom(4096),
        "absurd": content[:8] + b"\xff" * 16 + content[24:],
    }
    path.write_bytes(broken[damage])
    assert await text_of(executor.generate(ask("a")))
    with pytest.raises(InvalidModelFileError, match=r"broken\.gguf"):
        await text_of(executor.generate(ask("broken")))
    assert len(children()) == 1
    assert await text_of(executor.generate(ask("a")))


async def test_leaving_stops_the_generation(executor: ModelExecutor) -> None:
    chunks = cast("Any", executor.generate(ask("slow", tokens=LONG)))
    await anext(chunks)
    (model,) = executor.manager.loaded()
    assert await cast("Any", model.engine).busy_slots() == 1
    await chunks.aclose()
    async with asyncio.timeout(1):
        while await cast("Any", model.engine).busy_slots():
            await asyncio.sleep(0.01)
    assert model.in_flight == 0


async def test_an_idle_model_is_unloaded_after_its_ttl(
    make: Callable[..., ModelExecutor],
) -> None:
    executor = make(model_ttl=0.2)
    assert await text_of(executor.generate(ask()))
    await asyncio.to_thread(wait_until, lambda: not children())
    assert executor.manager.loaded() == []
    assert await text_of(executor.generate(ask()))
    await executor.aclose()


async def test_shutdown_in_mid_answer_and_mid_load_leaves_nothing(
    make: Callable[..., ModelExecutor],
) -> None:
    executor = make()
    chunks = cast("Any", executor.generate(ask("slow", tokens=LONG)))
    await anext(chunks)
    loads = [asyncio.create_task(executor.load(key)) for key in ("b", "c")]
    await asyncio.to_thread(wait_until, lambda: len(children()) == 3)
    await executor.aclose()
    assert children() == []
    results = await asyncio.gather(*loads, return_exceptions=True)
    assert all(isinstance(result, UnavailableError) or result for result in results)
    with pytest.raises(EngineCrashedError):
        await text_of(chunks)
    assert not [t.name for t in threading.enumerate() if t.name.startswith(("llmlab", "llama"))]


def test_load_and_unload_many_times_leaks_nothing(make: Callable[..., ModelExecutor]) -> None:
    manager = make().manager
    this = psutil.Process()

    def cycle() -> None:
        manager.load_model("a", parallel=1, context_length=256)
        assert manager.unload_model("a")

    def held() -> tuple[int, int, int]:
        gc.collect()
        wait_until(lambda: threading.active_count() <= threads)
        return this.num_fds(), threading.active_count(), len(children())

    threads = threading.active_count()
    for _ in range(5):
        cycle()
    before, memory = held(), this.memory_info().rss
    for _ in range(CYCLES):
        cycle()
    assert all(after <= earlier for after, earlier in zip(held(), before, strict=True))
    assert this.memory_info().rss - memory < 4 * 1024**2
    assert manager.get_memory_stats().used == 0


NEIGHBOUR = """
import sys
from pathlib import Path
from llmlab.models.catalog import ModelCatalog
from llmlab.models.manager import ModelManager
from llmlab.settings import Settings
home, budget = Path(sys.argv[1]), float(sys.argv[2])
settings = Settings.from_dict(
    {"home": str(home), "max_vram_usage": budget, "context_length": 512, "parallel": 2}
)
manager = ModelManager(ModelCatalog(home, builtin=None), settings)
manager.load_model("a")
print(manager.get_memory_stats().used, flush=True)
sys.stdin.read()
"""


@pytest.mark.timeout(60)
def test_workers_of_one_home_share_its_budget_and_a_killed_one_gives_its_part_back(
    make: Callable[..., ModelExecutor], tmp_path: Path
) -> None:
    size = make().manager.load_model("a").memory_bytes
    budget = 1.5 * size / GB
    manager = make(max_vram_usage=budget).manager
    with subprocess.Popen(
        [sys.executable, "-c", NEIGHBOUR, str(tmp_path / "home"), str(budget)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as neighbour:
        assert neighbour.stdout is not None
        used = int(neighbour.stdout.readline())
        assert manager.get_memory_stats().shared == used
        with pytest.raises(OutOfMemoryError, match="other workers"):
            manager.load_model("b")
        orphan = psutil.Process(neighbour.pid).children()[0]
        neighbour.kill()
    assert manager.load_model("b").alive()
    # What it had loaded ends with it.
    wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
