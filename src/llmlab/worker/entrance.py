"""What listens while the rest of the worker is still being imported and put together."""

from __future__ import annotations

import asyncio
import time

from llmlab import __version__
from llmlab.errors import LabError, ModelLoadingError
from llmlab.protocol.access import App, Receive, Scope, Send, refuse, respond
from llmlab.protocol.lab import HealthReport

OPENING_DEADLINE = 60.0


class Entrance:
    """Answers ``/health`` at once and passes everything on as soon as there is an application.

    Args:
        instance_id: Tells this process from earlier ones.
    """

    def __init__(self, instance_id: str) -> None:
        self._instance_id = instance_id
        self._started = time.monotonic()
        self._app: App | None = None
        self._opened = asyncio.Event()

    def open(self, app: App) -> None:
        """Pass requests on from now on."""
        self._app = app
        self._opened.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._app is None and scope["type"] == "http" and scope["path"] == "/health":
            await respond(send, 200, self._health())
            return
        if self._app is None:
            try:
                await self._wait()
            except LabError as error:
                await refuse(scope, send, error)
                return
        assert self._app is not None
        await self._app(scope, receive, send)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(OPENING_DEADLINE):
                await self._opened.wait()
        except TimeoutError as error:
            raise ModelLoadingError("The worker is still starting; try again.") from error

    def _health(self) -> bytes:
        report = HealthReport(
            status="starting",
            role="worker",
            version=__version__,
            instance_id=self._instance_id,
            uptime_seconds=round(time.monotonic() - self._started, 3),
        )
        return report.model_dump_json().encode()
