"""Who is in the lab: nodes join with an epoch, send heartbeats, leave, or fall silent.

The registry lives on the event loop and is never touched from another thread.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmlab.errors import ConflictError
from llmlab.protocol.lab import NodeReport
from llmlab.protocol.mesh import Capabilities, Heartbeat, Join, Load, ModelEntry
from llmlab.types import NodeKind, new_id

Clock: TypeAlias = Callable[[], float]
Status: TypeAlias = Literal["alive", "lost", "left"]

WORKER_KINDS = frozenset({NodeKind.LOCAL, NodeKind.REMOTE})
SUSPICION = 5.0
MEMORY = 600.0


@dataclass(slots=True, eq=False)
class Node:
    """A node as the coordinator knows it.

    Attributes:
        id: Stays with the name when the node comes back.
        url: Where it serves, without a slash at the end; None where it cannot be dialled.
        api: Root of its OpenAI routes (``.../v1``).
        key: What it wants as Bearer.
        timeout: Silence, in seconds, after which it counts as lost.
        in_flight: Requests that this coordinator has at the node now.
        suspect_until: Until then (by the registry's clock) others are tried first.
        streams_only: It notices a client that leaves only while it streams.
    """

    id: str
    name: str
    kind: NodeKind
    instance_id: str
    epoch: int
    url: str | None
    timeout: float
    key: str | None = field(default=None, repr=False)
    api: str = ""
    version: str = ""
    pid: int = 0
    capabilities: Capabilities = field(default_factory=Capabilities)
    load: Load = field(default_factory=Load)
    status: Status = "alive"
    last_seen: float = 0.0
    in_flight: int = 0
    suspect_until: float = 0.0
    streams_only: bool = False

    @property
    def is_worker(self) -> bool:
        """Whether it serves the Lab API, and not OpenAI's routes alone."""
        return self.kind in WORKER_KINDS

    def model(self, name: str) -> ModelEntry | None:
        """Return what the node says of a model."""
        return next((entry for entry in self.capabilities.models if entry.id == name), None)


class NodeRegistry:
    """Knows all nodes and which models they serve.

    Args:
        timeout: Silence in seconds that ends a node.
        clock: Monotonic seconds.
    """

    def __init__(self, *, timeout: float, clock: Clock = time.monotonic) -> None:
        self._timeout = timeout
        self._clock = clock
        self._nodes: dict[str, Node] = {}
        self._serving: dict[str, tuple[Node, ...]] | None = None
        self._digests: dict[str, str] | None = None
        self._changed = asyncio.Event()
        self._expected: set[str] = set()

    def join(self, join: Join, *, key: str | None = None, timeout: float | None = None) -> Node:
        """Take a node in, or take it back.

        A living node keeps its name: another instance that asks for it gets a number added.

        Args:
            join: How the node introduced itself.
            key: What it wants as Bearer.
            timeout: Silence that ends it, where it differs from the registry's.

        Raises:
            ConflictError: The same instance has joined over a newer connection.
        """
        known = self._named(join)
        if known and known.instance_id == join.instance_id and known.epoch >= join.epoch:
            raise ConflictError("This instance has joined over a newer connection.")
        url = join.url.rstrip("/") if join.url else None
        node = Node(
            id=known.id if known else new_id("node"),
            name=known.name if known else self._free_name(join.name),
            kind=join.kind,
            instance_id=join.instance_id,
            epoch=join.epoch,
            url=url,
            timeout=timeout or self._timeout,
            key=key,
            api=f"{url}/v1" if url else "",
            version=join.version,
            pid=join.pid,
            capabilities=join.capabilities,
            load=join.load,
            last_seen=self._clock(),
        )
        self._nodes[node.id] = node
        self._note_change()
        return node

    def _named(self, join: Join) -> Node | None:
        """Return the node whose place the joining one takes: its older self, or a dead one."""
        for node in self._nodes.values():
            if node.instance_id == join.instance_id:
                return node
        return next(
            (
                node
                for node in self._nodes.values()
                if node.name == join.name and node.status != "alive"
            ),
            None,
        )

    def _free_name(self, name: str) -> str:
        taken = {node.name for node in self._nodes.values()}
        numbered = itertools.chain([name], (f"{name}-{count}" for count in itertools.count(2)))
        return next(candidate for candidate in numbered if candidate not in taken)

    def heartbeat(self, node: Node, beat: Heartbeat) -> bool:
        """Note that a node is alive.

        Returns:
            False when the node has been replaced or was given up meanwhile, so that it must
            join again.
        """
        if self._nodes.get(node.id) is not node or node.status != "alive":
            return False
        node.last_seen = self._clock()
        node.load = beat.load
        if beat.capabilities is not None:
            node.capabilities = beat.capabilities
            self._note_change()
        return True

    def leave(self, node: Node) -> None:
        """Note that a node went on purpose."""
        self._end(node, "left")

    def lose(self, node: Node) -> None:
        """Note that a node's connection broke."""
        self._end(node, "lost")

    def _end(self, node: Node, status: Status) -> None:
        # A replaced node is another object, so that the end of an old socket changes nothing.
        if node.status == "alive":
            node.status = status
            self._note_change()

    def blame(self, node: Node) -> None:
        """Prefer other nodes for a while, because this one failed a request."""
        node.suspect_until = self._clock() + SUSPICION

    def is_suspect(self, node: Node) -> bool:
        """Whether the node failed a request a short while ago."""
        return node.suspect_until > 0 and node.suspect_until > self._clock()

    def expire(self) -> list[Node]:
        """Give up nodes that fell silent, forget those that are long gone; return the former."""
        now = self._clock()
        silent = [
            node
            for node in self._nodes.values()
            if node.status == "alive" and now - node.last_seen > node.timeout
        ]
        for node in silent:
            node.status = "lost"
        gone = [
            node.id
            for node in self._nodes.values()
            if node.status != "alive" and now - node.last_seen > MEMORY
        ]
        for node_id in gone:
            del self._nodes[node_id]
        if silent or gone:
            self._note_change()
        return silent

    def alive(self) -> list[Node]:
        """Return the living nodes in the order in which they joined."""
        return [node for node in self._nodes.values() if node.status == "alive"]

    def workers(self) -> list[Node]:
        """Return the living nodes that serve the Lab API."""
        return [node for node in self.alive() if node.is_worker and node.url]

    def get(self, node_id: str) -> Node | None:
        """Return a node by its id."""
        return self._nodes.get(node_id)

    def has_joined(self, pid: int) -> bool:
        """Whether a process of this machine is, or was, a node."""
        return any(node.pid == pid and node.kind is NodeKind.LOCAL for node in self._nodes.values())

    def serving(self, model: str) -> tuple[Node, ...]:
        """Return the living nodes that can be asked for a model."""
        if self._serving is None:
            self._serving = self._index()
        return self._serving.get(model, ())

    def _index(self) -> dict[str, tuple[Node, ...]]:
        index: dict[str, list[Node]] = {}
        for node in self.alive():
            for entry in node.capabilities.models if node.url else ():
                index.setdefault(entry.id, []).append(node)
        return {model: tuple(nodes) for model, nodes in index.items()}

    def digest(self, model: str) -> str:
        """Return what tells a model's weights apart from others under the same name.

        Nodes that are lost count too: what they answered is still right.
        """
        if self._digests is None:
            self._digests = self._all_digests()
        return self._digests.get(model, "")

    def _all_digests(self) -> dict[str, str]:
        digests: dict[str, set[str]] = {}
        for node in self._nodes.values():
            for entry in node.capabilities.models:
                digests.setdefault(entry.id, set()).add(entry.digest)
        return {model: " ".join(sorted(found)) for model, found in digests.items()}

    def was_served(self, model: str) -> str | None:
        """Return the name of a lost node that served a model."""
        lost = (node for node in self._nodes.values() if node.status == "lost")
        return next((node.name for node in lost if node.model(model)), None)

    def models(self, *, workers_only: bool = False) -> dict[str, tuple[ModelEntry, list[Node]]]:
        """Return every model that can be asked for, with the nodes that have it."""
        found: dict[str, tuple[ModelEntry, list[Node]]] = {}
        for node, entry in self._offers(workers_only):
            known, nodes = found.setdefault(entry.id, (entry, []))
            nodes.append(node)
            if entry.loaded and not known.loaded:
                found[entry.id] = (entry, nodes)
        return found

    def _offers(self, workers_only: bool) -> Iterator[tuple[Node, ModelEntry]]:
        for node in self.alive():
            if node.url and (node.is_worker or not workers_only):
                yield from ((node, entry) for entry in node.capabilities.models)

    def reports(self) -> list[NodeReport]:
        """Return all nodes as the API shows them."""
        now = self._clock()
        return [
            NodeReport(
                id=node.id,
                name=node.name,
                kind=node.kind.value,
                status=node.status,
                url=node.url,
                version=node.version,
                models=node.capabilities.models,
                tools=node.capabilities.tools,
                load=node.load,
                last_seen=round(now - node.last_seen, 3),
            )
            for node in self._nodes.values()
        ]

    def expect(self, name: str) -> None:
        """Note that somebody sees to it that a node comes, and comes back."""
        self._expected.add(name)

    def give_up_on(self, name: str) -> None:
        """Note that requests need not wait for a node any more."""
        self._expected.discard(name)
        self._note_change()

    @property
    def expected(self) -> frozenset[str]:
        """Names of the nodes that are on their way: requests wait for them."""
        return frozenset(self._expected.difference(node.name for node in self.alive()))

    def _note_change(self) -> None:
        self._serving = self._digests = None
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Wait for the next change of who is there or what they serve."""
        await self._changed.wait()

    async def wait_for(self, condition: Callable[[], bool], *, timeout: float) -> bool:
        """Wait until a condition on the registry holds; False when the time is over first."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    await self.changed()
        except TimeoutError:
            return condition()
        return True
