"""A whole lab in this process, behind a real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx

from llmlab.api.serve import serve_on
from llmlab.protocol.addresses import listen
from llmlab.settings import Settings

KEY = "lab-key-of-a-test"
SECRET = "node-secret-of-a-test"
DEADLINE = 20.0


class Lab:
    """A running lab and a client of it that has the key."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.settings = settings
        self.client = httpx.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {KEY}"},
            timeout=DEADLINE,
            trust_env=False,
        )

    async def until(self, condition: Callable[[Any], Any], path: str = "/api/nodes") -> Any:
        """Ask a route until its answer is as it should be."""
        async with asyncio.timeout(DEADLINE):
            while True:
                response = await self.client.get(path, headers={"accept": "application/json"})
                answer = response.json()
                if condition(answer):
                    return answer
                await asyncio.sleep(0.02)

    async def until_served(self, model: str) -> None:
        """Wait for a model."""
        await self.until(
            lambda answer: any(row["id"] == model for row in answer["models"]), "/models"
        )

    async def chat(self, text: str, **more: Any) -> httpx.Response:
        """Ask the default model."""
        messages = [{"role": "user", "content": text}]
        body = {"model": self.settings.model, "messages": messages} | more
        return await self.client.post("/v1/chat/completions", json=body)


@contextlib.asynccontextmanager
async def running_lab(home: Path, *, on_port: int = 0, **changes: Any) -> AsyncIterator[Lab]:
    """Run a lab with no workers of its own, unless the changes say otherwise."""
    values = {"home": home, "api_key": KEY, "node_secret": SECRET, "model": "m", "port": 0}
    quiet = {"workers": 0, "detect": False, "preload": False}
    settings = Settings.from_dict(values | quiet | changes)
    stop, ready = asyncio.Event(), asyncio.Event()
    listener = listen(settings, on_port)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    loop = asyncio.get_running_loop()

    def say_ready(_: str) -> None:
        loop.call_soon_threadsafe(ready.set)

    serving = asyncio.create_task(serve_on(settings, listener, on_ready=say_ready, stop=stop))
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        lab = Lab(url, settings)
        try:
            yield lab
        finally:
            await lab.client.aclose()
    finally:
        waiting.cancel()
        stop.set()
        with contextlib.closing(listener):
            await serving
