"""A worker in this process, behind a real server, over a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from llmlab.models.records import ModelRecord
from llmlab.protocol.access import App
from llmlab.protocol.addresses import listen, own_url
from llmlab.settings import Settings
from llmlab.testing import Reply, ScriptedServer
from llmlab.worker.app import create_app
from llmlab.worker.service import Worker

KEY = "lab-test-key"
SECRET = "node-test-secret"


class PromptServer(uvicorn.Server):
    """Uvicorn looks ten times a second whether it is to end; tests do not wait for that."""

    ending: asyncio.Event

    async def main_loop(self) -> None:
        await self.ending.wait()


@asynccontextmanager
async def serving(app: App, settings: Settings) -> AsyncIterator[str]:
    listener = listen(settings, 0)
    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False)
    server = PromptServer(config)
    server.ending = asyncio.Event()
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield own_url(settings, listener)
    finally:
        server.force_exit = True
        server.ending.set()
        await running
        listener.close()


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(models=["m"], replies=[Reply("Hello dear world")]) as server:
        yield server


@pytest.fixture
def changes() -> dict[str, Any]:
    """Settings that a test wants otherwise: give it as a parameter."""
    return {}


@pytest.fixture
def settings(tmp_path: Path, changes: dict[str, Any]) -> Settings:
    values = {"home": tmp_path, "api_key": KEY, "node_secret": SECRET, "model": "m"}
    quiet = {"detect": False, "preload": False, "max_body_mb": 1}
    return Settings.from_dict(values | quiet | changes)


@pytest.fixture
async def worker(settings: Settings, scripted: ScriptedServer) -> AsyncIterator[Worker]:
    async with Worker(settings, name="box") as worker:
        record = ModelRecord("m", "openai", url=scripted.url, remote_name="m", embeddings=True)
        worker.catalog.set_detected([record])
        yield worker


@pytest.fixture
async def url(worker: Worker, settings: Settings) -> AsyncIterator[str]:
    async with serving(create_app(worker), settings) as url:
        yield url


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=10) as client:
        yield client


@pytest.fixture
async def node(url: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=10) as client:
        yield client
