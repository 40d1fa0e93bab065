"""The worker: models, tools and a cache shard, put together and kept running."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from llmlab import __version__
from llmlab.cache.manager import ResponseCache
from llmlab.engines.registry import engine_names
from llmlab.errors import LabError
from llmlab.files import load_or_create_secret
from llmlab.log import get_logger
from llmlab.models.catalog import ModelCatalog
from llmlab.models.detect import detect
from llmlab.models.executor import ModelExecutor
from llmlab.models.manager import ModelManager
from llmlab.protocol.lab import HealthReport
from llmlab.protocol.mesh import Capabilities
from llmlab.settings import Settings
from llmlab.tools.builtin import builtin_tools
from llmlab.tools.registry import ToolRegistry
from llmlab.types import NodeKind
from llmlab.worker.vitals import Vitals

VITALS_INTERVAL = 2.0
STOP_DEADLINE = 10.0

_log = get_logger(__name__)


class Worker:
    """Everything that a worker process has; the HTTP application shows it.

    Start it on the event loop that it is used on: ``async with Worker(settings) as worker``.

    Args:
        settings: The configuration.
        name: Its name in the lab.
        kind: What kind of node it is.
        instance_id: Tells this process from earlier ones.

    Attributes:
        settings: The configuration.
        name: Its name in the lab.
        kind: What kind of node it is.
        instance_id: Tells this process from earlier ones.
        catalog: The models that exist.
        manager: The models in memory.
        executor: Runs requests.
        tools: The tools.
        cache: Its own answers, and its shard of the lab's.
        vitals: How machine and memory do.
        changed: Set when what it can do has changed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        kind: NodeKind = NodeKind.REMOTE,
        instance_id: str | None = None,
    ) -> None:
        self.settings = settings
        self.name = name
        self.kind = kind
        self.instance_id = instance_id or secrets.token_hex(8)
        self.catalog = ModelCatalog(settings.home_folder)
        self.manager = ModelManager(self.catalog, settings)
        self.executor = ModelExecutor(self.manager, settings, name=self.name)
        self.tools = ToolRegistry(builtin_tools())
        secret = load_or_create_secret(settings.home_folder / "cache-secret", "cache")
        self.cache = ResponseCache(
            int(settings.cache_max_mb * 1e6), settings.cache_ttl, secret.encode()
        )
        self.vitals = Vitals(self.manager)
        self.changed = asyncio.Event()
        self._started = time.monotonic()
        self._background: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to look around and to load the default model; returns at once."""
        self._spawn(self._watch_vitals(), "vitals")
        if self.settings.preload:
            self._spawn(self._preload(), "preload")
        if self.settings.detect:
            self._spawn(self._detect(), "detect")

    async def stop(self) -> None:
        """End all background work and every model process."""
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background, timeout=STOP_DEADLINE)
        await self.executor.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def capabilities(self) -> Capabilities:
        """Return what this worker can do now."""
        loaded = {model.key for model in self.manager.loaded()}
        return Capabilities(
            models=self.catalog.entries(loaded),
            tools=self.tools.names(),
            engines=list(engine_names()),
        )

    def health(self) -> HealthReport:
        """Return how it does; reads only what was measured before."""
        return HealthReport(
            status="ok",
            role="worker",
            version=__version__,
            instance_id=self.instance_id,
            uptime_seconds=round(time.monotonic() - self._started, 3),
            devices=self.vitals.devices,
            load=self.vitals.load(),
        )

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"worker {name}")
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background work failed", extra={"work": task.get_name()}, exc_info=error)

    async def _watch_vitals(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.vitals.measure)
            except Exception:  # noqa: BLE001 - a tool of the system failed; the next try may not
                _log.exception("measuring failed")
            await asyncio.sleep(VITALS_INTERVAL)

    async def _preload(self) -> None:
        model = self.settings.model
        try:
            await self.executor.load(model)
        except LabError as error:
            # Whoever asks for the model gets the same error; the rest works.
            _log.warning("%s is not loaded: %s", model, error.message)
        self.changed.set()

    async def _detect(self) -> None:
        found = await detect(self.settings, {self.instance_id})
        self.catalog.set_detected(found.records())
        self.changed.set()
