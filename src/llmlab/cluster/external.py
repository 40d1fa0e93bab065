"""Somebody else's servers as nodes: OpenAI-compatible, by URL, probed at an interval."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from llmlab.cluster.links import Links, is_http_address
from llmlab.cluster.nodes import Node, NodeRegistry
from llmlab.errors import ConfigurationError, EngineError, LabError, NotFoundError
from llmlab.log import get_logger, without_password
from llmlab.protocol.mesh import Capabilities, Heartbeat, Join, ModelEntry
from llmlab.settings import Settings
from llmlab.types import NodeKind, new_id

logger = get_logger(__name__)

PROBE_TIMEOUT = 5.0
MAX_MODELS = 1000
_MISSES = 2


@dataclass(frozen=True, slots=True)
class External:
    """A server to dial.

    Attributes:
        name: Its name as a node.
        url: Its root.
        api: Root of its OpenAI routes.
        key: What it wants as Bearer.
        model: The one model to offer; all without it.
    """

    name: str
    url: str
    api: str
    key: str | None = None
    model: str | None = None


def externals(settings: Settings) -> list[External]:
    """Return the servers that the settings name.

    Raises:
        ConfigurationError: One of them is no HTTP address.
    """
    found = [_external("external_nodes", url) for url in settings.external_nodes]
    if settings.openai_api_base:
        key, model = settings.openai_api_key, settings.openai_api_model
        found.append(_external("openai_api_base", settings.openai_api_base, key, model))
    return found


def _external(
    setting: str, address: str, key: str | None = None, model: str | None = None
) -> External:
    if not is_http_address(address):
        raise ConfigurationError(
            f"{setting} = {without_password(address)!r}: this is no address of a server, such as"
            " http://192.168.1.20:8080/v1."
        )
    parts = urlsplit(address)
    url = address.rstrip("/")
    # A bare address has its routes under /v1; one with a path says itself where they are.
    api = url if parts.path.strip("/") else f"{url}/v1"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", parts.netloc).strip("-._")
    return External(name, url.removesuffix("/v1"), api, key, model)


class ExternalNodes:
    """Probes servers and keeps them in the registry for as long as they answer.

    Args:
        nodes: Where they are registered.
        links: The connections.
        settings: Which servers.
        instance_id: This lab's, so that it does not dial itself.
        interval: Seconds between two probes.
    """

    def __init__(
        self,
        nodes: NodeRegistry,
        links: Links,
        settings: Settings,
        *,
        instance_id: str,
        interval: float = 5.0,
    ) -> None:
        self._nodes = nodes
        self._links = links
        self._targets = externals(settings)
        self._instance_id = instance_id
        self._interval = interval
        self._epochs = count(1)
        self._watches: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to probe."""
        for target in self._targets:
            self._nodes.expect(target.name)
            self._watches.append(
                asyncio.create_task(self._watch(target), name=f"probe of {target.name}")
            )

    async def stop(self) -> None:
        """End all probes."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._watches.clear()

    async def _watch(self, target: External) -> None:
        node: Node | None = None
        misses = 0
        while True:
            try:
                if node is None or node.status != "alive":
                    node = await self._meet(target)
                    if node is None:
                        return
                else:
                    await self._visit(target, node)
                misses = 0
            except LabError as error:
                misses += 1
                self._nodes.give_up_on(target.name)
                if node is not None and misses >= _MISSES:
                    self._nodes.lose(node)
                if misses == 1:
                    logger.warning("%s does not answer: %s", target.url, error.message)
            await asyncio.sleep(self._interval)

    async def _meet(self, target: External) -> Node | None:
        """Take a server in; None for one that is this very lab, or a part of it."""
        about = await self._about(target)
        instance = about.get("instance_id")
        if instance == self._instance_id or self._knows(instance):
            logger.warning("%s is this lab itself; it is not used as a node.", target.url)
            self._nodes.give_up_on(target.name)
            return None
        models, owners = await self._models(target)
        join = Join(
            kind=NodeKind.EXTERNAL,
            name=target.name,
            instance_id=new_id("external"),
            epoch=next(self._epochs),
            url=target.url,
            version=str(about.get("version") or "")[:50],
            capabilities=Capabilities(models=models),
        )
        node = self._nodes.join(join, key=target.key, timeout=4 * self._interval + PROBE_TIMEOUT)
        node.api = target.api
        # When it goes, nobody here can bring it back.
        self._nodes.give_up_on(target.name)
        # llama.cpp's server notices a client that leaves only while it streams.
        node.streams_only = "llamacpp" in owners
        return node

    def _knows(self, instance_id: object) -> bool:
        return any(node.instance_id == instance_id for node in self._nodes.alive())

    async def _visit(self, target: External, node: Node) -> None:
        models, _ = await self._models(target)
        changed = models != node.capabilities.models
        capabilities = Capabilities(models=models) if changed else None
        self._nodes.heartbeat(node, Heartbeat(load=node.load, capabilities=capabilities))

    async def _about(self, target: External) -> Mapping[str, Any]:
        try:
            about = await self._links.get(f"{target.url}/health", timeout=PROBE_TIMEOUT)
        except EngineError as error:
            if error.code == "node_unreachable":
                raise
            return {}
        except LabError:
            # Another kind of server has no such route, or another answer there.
            return {}
        return about if isinstance(about, dict) else {}

    async def _models(self, target: External) -> tuple[list[ModelEntry], set[str]]:
        try:
            listing = await self._links.get(
                f"{target.api}/models", key=target.key, timeout=PROBE_TIMEOUT
            )
        except NotFoundError:
            # It answers, and has no list: the model that was named will have to do.
            if target.model is None:
                raise
            listing = {"data": []}
        rows = listing.get("data") if isinstance(listing, dict) else None
        if not isinstance(rows, list):
            raise EngineError("Its list of models is not understood.")
        known = [row for row in rows[:MAX_MODELS] if isinstance(row, dict) and row.get("id")]
        owners = {str(row.get("owned_by")) for row in known}
        entries = [_entry(row) for row in known]
        if target.model is not None:
            entries = [entry for entry in entries if entry.id == target.model]
            entries = entries or [ModelEntry(id=target.model, engine="openai")]
        return entries, owners


def _entry(row: Mapping[str, Any]) -> ModelEntry:
    length = row.get("max_model_len") or row.get("context_length") or 0
    return ModelEntry(
        id=str(row["id"])[:500],
        engine="openai",
        context_length=length if isinstance(length, int) else 0,
        loaded=True,
    )
