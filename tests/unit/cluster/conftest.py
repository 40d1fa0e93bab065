"""Scripted servers as nodes, and the parts of the one door over them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from llmlab.cache.manager import ResponseCache
from llmlab.cluster.dispatch import Dispatcher
from llmlab.cluster.inference import Inference
from llmlab.cluster.links import Links
from llmlab.cluster.nodes import Node, NodeRegistry
from llmlab.cluster.routing.registry import routing_policy
from llmlab.protocol.mesh import Capabilities, Join, ModelEntry
from llmlab.testing import ScriptedServer
from llmlab.types import NodeKind

# What talks to sockets is tried on the loop that the lab runs on, too.
_ON_BOTH_LOOPS = {"test_wire.py", "test_inference.py", "test_failover.py", "test_cancellation.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], Any]]:
    both = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return both if item.path.name in _ON_BOTH_LOOPS else {"asyncio": asyncio.new_event_loop}


@dataclass
class Cluster:
    """A registry and everything that asks its nodes."""

    nodes: NodeRegistry
    links: Links
    dispatcher: Dispatcher
    cache: ResponseCache
    inference: Inference

    def add(
        self,
        name: str,
        server: ScriptedServer | str,
        *,
        kind: NodeKind = NodeKind.EXTERNAL,
        models: tuple[str, ...] = ("m",),
        key: str | None = None,
        instance: str = "",
    ) -> Node:
        entries = [ModelEntry(id=model, engine="openai") for model in models]
        join = Join(
            kind=kind,
            name=name,
            instance_id=instance or f"instance-{name}",
            epoch=1,
            url=server if isinstance(server, str) else server.url,
            capabilities=Capabilities(models=entries),
        )
        return self.nodes.join(join, key=key)


@pytest.fixture
async def make_cluster() -> AsyncIterator[Callable[..., Cluster]]:
    made: list[Cluster] = []

    def make(*, timeout: float = 10.0) -> Cluster:
        nodes = NodeRegistry(timeout=60.0)
        links = Links(timeout=timeout)
        dispatcher = Dispatcher(nodes, routing_policy("round_robin"), links, timeout=timeout)
        cache = ResponseCache(10_000_000, 3600.0, b"0123456789abcdef")
        made.append(Cluster(nodes, links, dispatcher, cache, Inference(nodes, dispatcher, cache)))
        return made[-1]

    yield make
    for cluster in made:
        await cluster.inference.aclose()
        await cluster.links.aclose()


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    return make_cluster()
