"""The child process of a model: how it starts, how it answers, and the ways in which it ends."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import psutil
import pytest

from llmlab.engines import llama_cpp_process
from llmlab.engines.llama_cpp import LaunchOptions, LlamaCppEngine, LlamaCppProcess, launch
from llmlab.errors import (
    ConfigurationError,
    ContextLengthError,
    DeadlineError,
    EngineCrashedError,
    InvalidModelFileError,
    InvalidRequestError,
    LabError,
    OutOfMemoryError,
    UnavailableError,
)
from llmlab.testing.tiny_gguf import write_tiny_gguf
from llmlab.types import Chunk, GenerateRequest, Message

SMALL = LaunchOptions(context_length=512, parallel=1)


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the state did not come"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def chat(text: str = "hi", **options: Any) -> GenerateRequest:
    return GenerateRequest("tiny", (Message("user", text),), options=options)


async def collect(engine: LlamaCppEngine, request: GenerateRequest) -> list[Chunk]:
    return [chunk async for chunk in engine.generate(request)]


async def idle(engine: LlamaCppEngine) -> None:
    async with asyncio.timeout(20):
        while await engine.busy_slots():
            await asyncio.sleep(0.01)


def test_a_model_is_loaded_served_and_ended(tiny: Path) -> None:
    heard: list[float] = []

    process = launch(tiny, SMALL, timeout=60, name="a model", on_progress=heard.append)

    assert process.alive()
    assert process.exit_reason() == ""
    assert process.url.startswith("http://127.0.0.1:")
    assert process.memory_bytes() > 10_000_000
    assert heard[-1] == 1.0
    assert all(0 <= part <= 1 for part in heard)
    assert psutil.Process(process.pid).cmdline()[0] == "llmlab model a model"
    # Nobody sees the key in the list of processes or in the environment.
    assert process.api_key not in str(psutil.Process(process.pid).environ())

    process.stop()
    process.stop()

    assert not process.alive()
    assert process.memory_bytes() == 0
    assert "SIGTERM" in process.exit_reason() or "status" in process.exit_reason()
    assert gone(process.pid)


def test_the_context_is_cut_to_what_the_model_knows(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "short.gguf", context_length=256)

    process = launch(path, LaunchOptions(context_length=4096, parallel=2), timeout=60)

    try:
        assert process.options.context_length == 256
        assert process.options.kv_tokens == 512
    finally:
        process.stop()


@pytest.mark.parametrize(
    "options",
    [
        replace(SMALL, kv_type="q8_0", flash_attention=True, mmap=True),
        replace(SMALL, mmap=False, check_tensors=True, threads=1, gpu_layers=0),
    ],
    ids=["optimized", "careful"],
)
async def test_models_load_with_other_options(tiny: Path, options: LaunchOptions) -> None:
    process = await asyncio.to_thread(launch, tiny, options, timeout=60)
    engine = LlamaCppEngine.of(process)

    try:
        assert await collect(engine, chat(max_tokens=3))
    finally:
        await engine.aclose()
        await asyncio.to_thread(process.stop)


def test_nobody_without_the_key_is_served(process: LlamaCppProcess) -> None:
    for path in ("/v1/models", "/slots", "/props", "/tokenize"):
        answer = httpx.get(process.url + path, headers={"Origin": "http://evil.example"})
        assert answer.status_code in (401, 404), path
        assert answer.headers.get("access-control-allow-origin", "") == ""
    body = {"messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(process.url + "/v1/chat/completions", json=body)
    assert answer.status_code == 401


def test_a_damaged_file_never_reaches_the_engine(tiny: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny.read_bytes()[:-1000])

    with pytest.raises(InvalidModelFileError, match=r"cut\.gguf.*truncated"):
        launch(cut, SMALL, timeout=60)

    assert children() == []


def test_a_file_that_the_engine_refuses_is_named_with_its_reason(
    tiny: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd.gguf"
    odd.write_bytes(tiny.read_bytes().replace(b"blk.1.ffn_down", b"blk.1.ffn_dowm"))

    with pytest.raises(InvalidModelFileError, match=r"odd\.gguf.*blk\.1\.ffn_down") as caught:
        launch(odd, SMALL, timeout=60)

    assert str(tmp_path) not in caught.value.message
    assert children() == []


def test_a_native_crash_while_loading_is_contained(tiny: Path, tmp_path: Path) -> None:
    # The same token twice fails an assertion of llama.cpp's, which aborts its process.
    twice = tmp_path / "twice.gguf"
    token, other = (struct.pack("<Q", 2) + text for text in (b"th", b"er"))
    twice.write_bytes(tiny.read_bytes().replace(token, other))

    with pytest.raises(EngineCrashedError, match=r"SIGABRT while it loaded.*twice.*ASSERT"):
        launch(twice, SMALL, timeout=60)


async def test_damaged_headers_that_pass_end_in_a_verdict(tiny: Path, tmp_path: Path) -> None:
    whole, chance = tiny.read_bytes(), random.Random(11)
    for _ in range(12):
        damaged = bytearray(whole)
        position = chance.randrange(4, 9500)
        damaged[position : position + 2] = chance.randbytes(2)
        path = tmp_path / "damaged.gguf"
        path.write_bytes(damaged)
        with suppress(InvalidModelFileError, EngineCrashedError):
            process = await asyncio.to_thread(launch, path, SMALL, timeout=60)
            engine = LlamaCppEngine.of(process)
            with suppress(LabError):
                await collect(engine, chat(max_tokens=3))
            await engine.aclose()
            await asyncio.to_thread(process.stop)

    assert children() == []


def test_a_model_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "wide.gguf", context_length=1 << 20)
    # A limit that the child inherits: a machine may promise more memory than it has.
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, limits[1]))
    try:
        with pytest.raises(OutOfMemoryError, match="wide does not fit the memory"):
            launch(path, LaunchOptions(context_length=1 << 20, parallel=16), timeout=60)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_a_load_that_takes_too_long_is_ended(tiny: Path) -> None:
    with pytest.raises(DeadlineError, match=r"not loaded within 0\.001 seconds"):
        launch(tiny, SMALL, timeout=0.001)

    assert children() == []


def test_a_load_that_is_interrupted_leaves_no_child(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_cpp_process, "POLL_SECONDS", 0.0001)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(tiny, SMALL, timeout=60, on_progress=interrupt)

    assert children() == []


@pytest.mark.parametrize(
    ("number", "kind", "reason"),
    [
        (signal.SIGKILL, EngineCrashedError, "SIGKILL while it loaded the model tiny"),
        # How a processor without the build's instructions ends it.
        (signal.SIGILL, ConfigurationError, "needs a processor with AVX2"),
    ],
)
def test_a_child_ended_while_it_loads_is_a_crash(
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    kind: type[LabError],
    reason: str,
) -> None:
    spawn = llama_cpp_process._spawn

    def ended_at_once() -> subprocess.Popen[bytes]:
        child = spawn()
        child.send_signal(number)
        return child

    monkeypatch.setattr(llama_cpp_process, "_spawn", ended_at_once)

    with pytest.raises(kind, match=reason):
        launch(tiny, SMALL, timeout=60)


def test_a_machine_without_room_for_a_process_says_so(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    with pytest.raises(UnavailableError, match="No process can be started"):
        launch(tiny, SMALL, timeout=60)


def test_a_broken_installation_is_told_as_such(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A module without what the child needs stands in for a wheel that does not fit the machine.
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('no AVX2 here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with pytest.raises(ConfigurationError, match="no AVX2 here"):
        launch(tiny, SMALL, timeout=60)


def test_secrets_are_not_handed_on(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMLAB_NODE_SECRET", "node-canary-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-secret")

    process = launch(tiny, SMALL, timeout=60)

    try:
        assert "canary" not in str(psutil.Process(process.pid).environ())
    finally:
        process.stop()


def test_a_model_started_by_a_thread_outlives_it(tiny: Path) -> None:
    loaded: list[LlamaCppProcess] = []
    thread = threading.Thread(target=lambda: loaded.append(launch(tiny, SMALL, timeout=60)))
    thread.start()
    thread.join()

    try:
        assert httpx.get(loaded[0].url + "/health").status_code == 200
    finally:
        loaded[0].stop()


PARENT = """
import sys, time
from pathlib import Path
from llmlab.engines import llama_cpp_process
from llmlab.engines.llama_cpp import LaunchOptions, launch

spawn = llama_cpp_process._spawn
def shown():
    child = spawn()
    print(child.pid, flush=True)
    return child
llama_cpp_process._spawn = shown
launch(Path(sys.argv[1]), LaunchOptions(context_length=512, parallel=1), timeout=60)
print("loaded", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("moment", ["loading", "loaded"])
def test_a_child_ends_with_its_parent(tiny: Path, moment: str) -> None:
    command = [sys.executable, "-c", PARENT, str(tiny)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        if moment == "loaded":
            assert parent.stdout.readline() == "loaded\n"

        parent.kill()

    wait_for(lambda: gone(child))


def test_a_child_whose_parent_never_spoke_ends() -> None:
    command = [sys.executable, "-m", "llmlab.engines.llama_cpp_child"]

    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )

    assert done.returncode != 0


async def test_a_child_killed_in_mid_stream_is_a_crash(process: LlamaCppProcess) -> None:
    engine = LlamaCppEngine.of(process)
    async with aclosing(cast("Any", engine.generate(chat()))) as chunks:
        await anext(chunks)
        os.kill(process.pid, signal.SIGKILL)

        with pytest.raises(EngineCrashedError, match=r"SIGKILL.*loaded again"):
            async for _ in chunks:
                pass

    with pytest.raises(EngineCrashedError):
        await collect(engine, chat())
    assert not await engine.healthy()
    assert not process.alive()
    await engine.aclose()


async def test_who_leaves_while_the_prompt_is_read_frees_the_slot(tmp_path: Path) -> None:
    # Reading this prompt takes minutes.
    path = write_tiny_gguf(tmp_path / "slow.gguf", context_length=65536, layers=8, width=512)
    options = LaunchOptions(context_length=65536, parallel=1)
    process = await asyncio.to_thread(launch, path, options, timeout=60)
    engine = LlamaCppEngine.of(process)
    try:
        request = GenerateRequest("slow", prompt="word " * 12_000)
        collector = asyncio.create_task(collect(engine, request), name="collector")
        async with asyncio.timeout(20):
            while not await engine.busy_slots():
                await asyncio.sleep(0.01)

        collector.cancel()

        with pytest.raises(asyncio.CancelledError):
            await collector
        await idle(engine)
    finally:
        await engine.aclose()
        await asyncio.to_thread(process.stop)


async def test_more_requests_than_places_all_get_an_answer(process: LlamaCppProcess) -> None:
    engine = LlamaCppEngine.of(process)

    answers = await asyncio.gather(*(collect(engine, chat(max_tokens=5)) for _ in range(30)))

    assert all("".join(chunk.text for chunk in answer) for answer in answers)
    await engine.aclose()


async def test_waiting_for_a_place_has_a_deadline(process: LlamaCppProcess) -> None:
    engine = LlamaCppEngine.of(process, timeout=0.5)
    streams = [cast("Any", engine.generate(chat())) for _ in range(4)]
    tasks = [asyncio.ensure_future(anext(stream)) for stream in streams]
    try:
        with pytest.raises((UnavailableError, DeadlineError)):
            await collect(engine, chat())
    finally:
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in streams:
            await stream.aclose()
        await engine.aclose()


async def test_several_choices_have_one_usage(process: LlamaCppProcess) -> None:
    engine = LlamaCppEngine.of(process)

    chunks = await collect(engine, chat(n=2, max_tokens=4))

    assert {chunk.index for chunk in chunks if chunk.text} == {0, 1}
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [8]
    await engine.aclose()


async def test_too_long_a_prompt_is_refused_with_the_numbers(tiny: Path) -> None:
    process = await asyncio.to_thread(launch, tiny, SMALL, timeout=60)
    engine = LlamaCppEngine.of(process)
    try:
        with pytest.raises(ContextLengthError, match=r"has \d{3,} tokens.* 512\. Shorten"):
            await collect(engine, chat("word " * 1000))
        full = await collect(engine, chat("word " * 50))
        assert [chunk.finish_reason for chunk in full if chunk.finish_reason] == ["length"]
    finally:
        await engine.aclose()
        await asyncio.to_thread(process.stop)


async def test_what_the_model_cannot_do_is_the_requests_fault(process: LlamaCppProcess) -> None:
    engine = LlamaCppEngine.of(process)
    image = [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}

    with pytest.raises(InvalidRequestError, match="not support"):
        await engine.embed("tiny", ["hi"])
    with pytest.raises(InvalidRequestError, match="not support"):
        await collect(engine, GenerateRequest("tiny", (Message("user", cast("Any", image)),)))
    with pytest.raises(InvalidRequestError):
        await collect(engine, chat(response_format=form))
    with pytest.raises(InvalidRequestError):
        await collect(engine, chat(temperature="hot"))
    assert process.alive()
    await engine.aclose()


async def test_damaged_weights_are_told_from_good_ones_when_asked(
    tiny: Path, tmp_path: Path
) -> None:
    # Numbers that are none, in the last tensor's data.
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(tiny.read_bytes()[:-4096] + b"\xff\x7f" * 2048)

    with pytest.raises(InvalidModelFileError, match=r"damaged\.gguf"):
        await asyncio.to_thread(launch, damaged, replace(SMALL, check_tensors=True), timeout=60)
