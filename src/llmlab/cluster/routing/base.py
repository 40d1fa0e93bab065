"""The contract of a routing policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from llmlab.cluster.nodes import Node


class RoutingPolicy(Protocol):
    """Decides which node is asked first, and which next when that one fails."""

    def order(self, model: str, nodes: Sequence[Node]) -> Sequence[Node]:
        """Return the nodes in the order in which they should be tried.

        Args:
            model: The model asked for.
            nodes: All nodes that serve it, at least one.
        """
        ...
