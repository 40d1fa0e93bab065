"""Which node a call tries next, and what to say when there is none."""

from __future__ import annotations

from llmlab.cluster.calls import Call
from llmlab.cluster.nodes import Node, NodeRegistry
from llmlab.cluster.routing.base import RoutingPolicy
from llmlab.errors import (
    EngineError,
    LabError,
    ModelNotFoundError,
    NodeUnreachableError,
    NoWorkerError,
    UnavailableError,
)

# A worker that is starting, or being restarted, is waited for.
PATIENCE = 10.0
MAX_ATTEMPTS = 6


def another_node_may_help(error: LabError) -> bool:
    """Whether an error is the node's and not the request's."""
    return isinstance(error, EngineError | UnavailableError | ModelNotFoundError) or (
        error.status == 500
    )


class Attempts:
    """The nodes that one call tries.

    Args:
        nodes: Who is there.
        policy: Who is asked first.
        call: The call.
    """

    __slots__ = ("_call", "_nodes", "_policy", "_queue", "_tried", "_waited")

    def __init__(self, nodes: NodeRegistry, policy: RoutingPolicy, call: Call) -> None:
        self._nodes = nodes
        self._policy = policy
        self._call = call
        self._queue: list[Node] = []
        self._tried: list[Node] = []
        self._waited = False

    async def next(self, failure: LabError | None) -> Node:
        """Return the node to try now.

        Args:
            failure: How the node before failed; None at first.

        Raises:
            LabError: No node is left; the failure, or why there never was one.
        """
        if isinstance(failure, EngineError):
            self._nodes.blame(self._tried[-1])
        node = self._pick()
        if node is None and self._worth_waiting(failure):
            node = await self._wait()
        if node is None or len(self._tried) >= MAX_ATTEMPTS:
            raise self._verdict(failure)
        self._tried.append(node)
        return node

    def _pick(self) -> Node | None:
        if not self._queue and (fresh := self._fresh()):
            self._queue = list(self._policy.order(self._call.model, fresh))
            if len(fresh) > 1:
                self._queue.sort(key=self._nodes.is_suspect)
        while self._queue:
            node = self._queue.pop(0)
            if node.status == "alive":
                return node
        return None

    def _fresh(self) -> tuple[Node, ...]:
        """Return the nodes that were not tried; one that came back is another object."""
        nodes = self._nodes.serving(self._call.model)
        if self._call.workers_only:
            nodes = tuple(node for node in nodes if node.is_worker)
        if self._tried:
            nodes = tuple(node for node in nodes if node not in self._tried)
        return nodes

    def _worth_waiting(self, failure: LabError | None) -> bool:
        if self._waited:
            return False
        if isinstance(failure, NodeUnreachableError):
            # Its end may be known a moment before the pool says that it restarts it.
            return any(node.kind == "local" for node in self._tried)
        return failure is None and bool(self._nodes.expected)

    async def _wait(self) -> Node | None:
        self._waited = True
        found: list[Node] = []

        def ready() -> bool:
            node = self._pick()
            if node is not None:
                found.append(node)
            return node is not None or not self._hope()

        await self._nodes.wait_for(ready, timeout=PATIENCE)
        return found[0] if found else None

    def _hope(self) -> bool:
        return bool(self._nodes.expected) or any(
            node.status == "alive" and node.kind == "local" for node in self._tried
        )

    def _verdict(self, failure: LabError | None) -> LabError:
        model = self._call.model
        if isinstance(failure, NodeUnreachableError):
            return NoWorkerError(f"No node that serves the model {model!r} can be reached now.")
        if failure is not None:
            return failure
        lost = self._nodes.was_served(model)
        names = sorted(self._nodes.models(workers_only=self._call.workers_only))
        if lost:
            return NoWorkerError(f"The node {lost}, which serves {model!r}, is not there now.")
        if self._nodes.expected:
            return NoWorkerError(f"No worker is ready for the model {model!r} yet.")
        if not names:
            return NoWorkerError(
                "No worker is there. `llmlab up --workers 1` starts one;"
                " `llmlab nodes` lists who is there."
            )
        return ModelNotFoundError(
            f"There is no model {model[:200]!r}. The lab has: {', '.join(names)}.", param="model"
        )
