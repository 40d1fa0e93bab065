"""Each node in turn, counted for each model."""

from __future__ import annotations

from collections.abc import Sequence

from llmlab.cluster.nodes import Node


class RoundRobin:
    """Starts one node later with every request for a model."""

    def __init__(self) -> None:
        self._turns: dict[str, int] = {}

    def order(self, model: str, nodes: Sequence[Node]) -> Sequence[Node]:
        """Return the nodes, rotated by one more than last time."""
        if len(nodes) == 1:
            return nodes
        turn = self._turns.get(model, 0)
        self._turns[model] = turn + 1
        first = turn % len(nodes)
        return (*nodes[first:], *nodes[:first])
