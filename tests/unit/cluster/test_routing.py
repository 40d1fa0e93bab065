"""Routing policies."""

from __future__ import annotations

import pytest

from llmlab.cluster.nodes import Node
from llmlab.cluster.routing.registry import routing_policy
from llmlab.errors import ConfigurationError
from llmlab.types import NodeKind


def a_node(name: str) -> Node:
    return Node(name, name, NodeKind.REMOTE, f"instance-{name}", 1, "http://x", 5.0)


def test_round_robin_begins_with_each_node_in_turn() -> None:
    policy = routing_policy("round_robin")
    nodes = [a_node(name) for name in "abc"]
    orders = ["".join(node.name for node in policy.order("m", nodes)) for _ in range(4)]
    assert orders == ["abc", "bca", "cab", "abc"]


def test_round_robin_counts_each_model_by_itself() -> None:
    policy = routing_policy("round_robin")
    nodes = [a_node(name) for name in "ab"]
    assert policy.order("m", nodes)[0].name == "a"
    assert policy.order("other", nodes)[0].name == "a"
    assert policy.order("m", nodes)[0].name == "b"


def test_a_single_node_is_the_order() -> None:
    only = [a_node("a")]
    assert list(routing_policy("round_robin").order("m", only)) == only


def test_an_unknown_policy_is_refused_with_the_ones_that_exist() -> None:
    with pytest.raises(ConfigurationError, match="round_robin"):
        routing_policy("fastest")
