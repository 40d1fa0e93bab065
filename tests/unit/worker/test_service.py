"""What a worker does by itself, and what its failures look like from outside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from llmlab.errors import ConfigurationError
from llmlab.settings import Settings
from llmlab.testing.tiny_gguf import write_tiny_gguf
from llmlab.worker import service
from llmlab.worker.main import default_name, run_worker
from llmlab.worker.service import Worker


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_finds_models_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    write_tiny_gguf(tmp_path / "found" / "small.gguf")
    settings = Settings.from_dict(
        {"home": tmp_path, "preload": False, "model_folders": str(tmp_path / "found")}
    )
    async with Worker(settings, name="box") as worker:
        await until(worker.changed.is_set)
        assert "small" in {model.id for model in worker.capabilities().models}


async def test_a_preload_that_fails_is_a_line_in_the_log(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    wanting = settings.model_copy(update={"preload": True, "model": "nowhere"})
    with caplog.at_level(logging.WARNING):
        async with Worker(wanting, name="box") as worker:
            await until(worker.changed.is_set)
    assert "nowhere is not loaded" in caplog.text


async def test_measuring_goes_on_after_a_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "VITALS_INTERVAL", 0.01)
    calls = []

    def measure() -> None:
        calls.append(1)
        raise RuntimeError("no such tool")

    worker = Worker(settings, name="box")
    monkeypatch.setattr(worker.vitals, "measure", measure)
    async with worker:
        await until(lambda: len(calls) >= 2)


async def test_a_failure_of_ours_tells_nothing(
    client: httpx.AsyncClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(worker.vitals, "load", load)
    answer = await client.get("/cache")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text


def test_names() -> None:
    assert default_name().startswith("worker")
    for name in ("../x", "a b", "x" * 101):
        with pytest.raises(ConfigurationError, match="cannot name a worker"):
            run_worker(Settings(), name=name)
