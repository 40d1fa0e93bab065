"""The coordinator: builds, starts and stops everything that users and nodes talk to."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson

from llmlab import __version__
from llmlab.cache.manager import ResponseCache
from llmlab.cluster.dispatch import Dispatcher
from llmlab.cluster.external import ExternalNodes
from llmlab.cluster.fleet import Fleet
from llmlab.cluster.inference import Inference
from llmlab.cluster.ledger import Ledger
from llmlab.cluster.links import Links
from llmlab.cluster.nodes import Node
from llmlab.cluster.pool import WorkerPool
from llmlab.cluster.prompts import Prompts
from llmlab.cluster.routing.registry import routing_policy
from llmlab.files import load_or_create_secret, write_atomic
from llmlab.log import get_logger, hide
from llmlab.models.hardware import Hardware
from llmlab.protocol.lab import DeviceReport
from llmlab.protocol.mesh import Capabilities, Heartbeat, Join, Load
from llmlab.settings import Settings
from llmlab.store.accounting import Accounting
from llmlab.store.database import Database
from llmlab.tools.builtin import builtin_tools
from llmlab.tools.registry import ToolRegistry
from llmlab.types import NodeKind, new_id
from llmlab.worker.access import api_key, node_secret
from llmlab.workflows.chat.manager import WorkflowManager
from llmlab.workflows.durable.engine import RunEngine

logger = get_logger(__name__)

NAME = "coordinator"
DEVICES_INTERVAL = 5.0


def state_file(settings: Settings) -> Path:
    """Return where a running coordinator writes down how it is reached."""
    return settings.home_folder / "run" / "coordinator.json"


class Coordinator:
    """Everything that the coordinator's process has; the HTTP application shows it.

    Args:
        settings: The configuration.
        pool: The local workers, which may have been started before.

    Attributes:
        settings: The configuration.
        instance_id: Tells this process from earlier ones.
        url: Where it is reached; known once it was started.
        api_key: The owner's key.
        node_secret: What nodes join with.
        pool: The local workers.
        nodes: Who is in the lab.
        cache: Stored answers; None when they are switched off.
        inference: The one door to models.
        prompts: Single prompts, with what they cost.
        fleet: Loaded models over all workers.
        tools: The tools.
        ledger: Counts of calls.
        database: The store.
        accounting: Writes down single calls.
        runs: The scheduler of durable runs.
        workflows: Answers chats.
        devices: Processor and accelerators; empty before the first measure.
    """

    def __init__(self, settings: Settings, *, pool: WorkerPool) -> None:
        self.settings = settings
        self.instance_id = new_id("lab")
        self.url = ""
        self.api_key = api_key(settings)
        self.node_secret = node_secret(settings)
        for secret in (self.api_key, self.node_secret, settings.openai_api_key):
            hide(secret or "")
        self.pool = pool
        self.nodes = pool.nodes
        self.cache = _response_cache(settings) if settings.cache_enabled else None
        self.links = Links(timeout=settings.request_timeout)
        dispatcher = Dispatcher(
            self.nodes,
            routing_policy(settings.routing),
            self.links,
            timeout=settings.request_timeout,
        )
        self.inference = Inference(self.nodes, dispatcher, self.cache)
        self.prompts = Prompts(self.nodes, dispatcher, self.inference, self.cache, settings)
        self.fleet = Fleet(self.nodes, self.links, dispatcher, load_timeout=settings.load_timeout)
        self.tools = ToolRegistry(builtin_tools())
        self.database = Database(settings.store_location)
        self.accounting = Accounting(self.database)
        self.ledger = Ledger(self.accounting)
        self.runs = RunEngine(self.database)
        self.workflows = WorkflowManager(self.runs, self.inference, self.tools, settings, node=NAME)
        self.devices: list[DeviceReport] = []
        self._hardware = Hardware()
        self._external = ExternalNodes(
            self.nodes, self.links, settings, instance_id=self.instance_id
        )
        self._started = time.monotonic()
        self._stack = AsyncExitStack()

    @property
    def uptime(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._started

    async def start(self, url: str) -> None:
        """Start everything; returns before workers are ready.

        Args:
            url: Where this coordinator is reached.

        Raises:
            StoreError: The database cannot be opened.
        """
        self.url = url
        try:
            self._stack.push_async_callback(self.pool.stop)
            self._stack.push_async_callback(self.links.aclose)
            await self.database.open()
            self._stack.push_async_callback(self.database.close)
            await self.accounting.start()
            self._stack.push_async_callback(self.accounting.stop)
            self._stack.push_async_callback(self.inference.aclose)
            self._stack.push_async_callback(self.prompts.aclose)
            self._external.start()
            self._stack.push_async_callback(self._external.stop)
            self._stack.push_async_callback(self.workflows.close)
            self._stack.push_async_callback(self.runs.stop)
            self._announce()
            self._own(self._resume(), "resumption of runs")
            await self._write_state()
            self.workflows.warm()
        except BaseException:
            await self._stack.aclose()
            raise

    def _announce(self) -> None:
        """Take part as a node of its own: it runs the tools."""
        node = self.nodes.join(
            Join(
                kind=NodeKind.COORDINATOR,
                name=NAME,
                instance_id=self.instance_id,
                epoch=1,
                version=__version__,
                pid=os.getpid(),
                capabilities=Capabilities(tools=self.tools.names()),
            )
        )
        self._own(self._beat(node), "coordinator heartbeat")
        self._own(self._measure(), "coordinator devices")

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Do something in the background until the end."""
        task = asyncio.create_task(work, name=name)

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        self._stack.push_async_callback(end)

    async def _measure(self) -> None:
        while True:
            # Asking a graphics card may take seconds.
            self.devices = await asyncio.to_thread(self._hardware.devices)
            await asyncio.sleep(DEVICES_INTERVAL)

    async def _resume(self) -> None:
        if resumed := await self.runs.resume():
            logger.info("%d runs that were cut off go on", len(resumed))

    async def _beat(self, node: Node) -> None:
        interval = self.settings.heartbeat_interval
        while True:
            due = time.monotonic() + interval
            await asyncio.sleep(interval)
            self.nodes.heartbeat(node, Heartbeat(load=Load(in_flight=self.ledger.in_flight)))
            # When this loop was held up, the heartbeats of others wait to be read.
            if time.monotonic() - due < interval:
                for lost in self.nodes.expire():
                    logger.warning("The node %s fell silent", lost.name)

    async def _write_state(self) -> None:
        path = state_file(self.settings)
        state = {
            "pid": os.getpid(),
            "url": self.url,
            "started_at": time.time(),
            "instance_id": self.instance_id,
        }
        await asyncio.to_thread(write_atomic, path, orjson.dumps(state), mode=0o600)
        self._stack.push_async_callback(asyncio.to_thread, _remove_state, path, self.instance_id)

    async def stop_runs(self) -> None:
        """Stop driving runs; the next start goes on with them."""
        await self.runs.stop()

    async def stop(self) -> None:
        """Stop everything, in the reverse order."""
        await self._stack.aclose()


def _cache_secret(settings: Settings) -> bytes:
    return load_or_create_secret(settings.home_folder / "cache-secret", "cache").encode()


def _response_cache(settings: Settings) -> ResponseCache:
    return ResponseCache(
        int(settings.cache_max_mb * 1e6), settings.cache_ttl, _cache_secret(settings)
    )


def _remove_state(path: Path, instance_id: str) -> None:
    try:
        if orjson.loads(path.read_bytes()).get("instance_id") == instance_id:
            path.unlink()
    except (OSError, orjson.JSONDecodeError, AttributeError):
        logger.info("The state file was gone already")
