"""Nodes join, are heard of, and go."""

from __future__ import annotations

import asyncio

import pytest

from llmlab.cluster.nodes import NodeRegistry
from llmlab.errors import ConflictError
from llmlab.protocol.mesh import Capabilities, Heartbeat, Join, Load, ModelEntry
from llmlab.types import NodeKind


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def nodes(clock: Clock) -> NodeRegistry:
    return NodeRegistry(timeout=5.0, clock=clock)


def joining(name: str, *models: str, instance: str = "", epoch: int = 1, **more: object) -> Join:
    entries = [ModelEntry(id=model, engine="openai", digest=f"d-{model}") for model in models]
    values = {
        "kind": NodeKind.REMOTE,
        "name": name,
        "instance_id": instance or f"instance-{name}",
        "epoch": epoch,
        "url": f"http://127.0.0.1:9/{name}",
        "capabilities": Capabilities(models=entries),
    }
    return Join.model_validate(values | more)


def names(nodes: NodeRegistry, model: str) -> list[str]:
    return [node.name for node in nodes.serving(model)]


def test_nodes_that_joined_serve_their_models(nodes: NodeRegistry) -> None:
    nodes.join(joining("a", "small", "large"))
    nodes.join(joining("b", "small"))
    assert names(nodes, "small") == ["a", "b"]
    assert names(nodes, "large") == ["a"]
    assert names(nodes, "other") == []


def test_a_node_without_an_address_is_asked_for_nothing(nodes: NodeRegistry) -> None:
    nodes.join(joining("phone", "small", url=None))
    assert names(nodes, "small") == []
    assert nodes.models() == {}


def test_silence_ends_a_node_and_a_heartbeat_keeps_it(nodes: NodeRegistry, clock: Clock) -> None:
    quiet = nodes.join(joining("quiet", "m"))
    heard = nodes.join(joining("heard", "m"))
    clock.now += 4
    assert nodes.heartbeat(heard, Heartbeat(load=Load(in_flight=2)))
    clock.now += 3
    assert nodes.expire() == [quiet]
    assert names(nodes, "m") == ["heard"]
    assert heard.load.in_flight == 2
    assert not nodes.heartbeat(quiet, Heartbeat())


def test_a_heartbeat_changes_capabilities(nodes: NodeRegistry) -> None:
    node = nodes.join(joining("a", "old"))
    new = Capabilities(models=[ModelEntry(id="new", engine="x", loaded=True)])
    nodes.heartbeat(node, Heartbeat(capabilities=new))
    assert names(nodes, "old") == []
    assert names(nodes, "new") == ["a"]


def test_the_end_of_an_old_connection_leaves_the_new_one_alone(nodes: NodeRegistry) -> None:
    old = nodes.join(joining("a", "m", epoch=1))
    new = nodes.join(joining("a", "m", epoch=2))
    nodes.lose(old)
    assert new.id == old.id
    assert names(nodes, "m") == ["a"]
    assert not nodes.heartbeat(old, Heartbeat())
    assert nodes.heartbeat(new, Heartbeat())


def test_an_older_epoch_is_refused(nodes: NodeRegistry) -> None:
    nodes.join(joining("a", epoch=2))
    with pytest.raises(ConflictError):
        nodes.join(joining("a", epoch=1))


def test_a_restarted_node_takes_its_name_and_id_back(nodes: NodeRegistry) -> None:
    first = nodes.join(joining("a", instance="first-instance"))
    nodes.lose(first)
    second = nodes.join(joining("a", instance="second-instance"))
    assert (second.name, second.id) == ("a", first.id)


def test_a_living_node_keeps_its_name(nodes: NodeRegistry) -> None:
    nodes.join(joining("a", instance="first-instance"))
    second = nodes.join(joining("a", instance="second-instance"))
    third = nodes.join(joining("a", instance="third-instance"))
    assert [second.name, third.name] == ["a-2", "a-3"]


def test_lost_nodes_are_shown_for_a_while(nodes: NodeRegistry, clock: Clock) -> None:
    nodes.lose(nodes.join(joining("gone", "m")))
    nodes.leave(nodes.join(joining("left")))
    assert [(report.name, report.status) for report in nodes.reports()] == [
        ("gone", "lost"),
        ("left", "left"),
    ]
    assert nodes.was_served("m") == "gone"
    clock.now += 700
    nodes.expire()
    assert nodes.reports() == []
    assert nodes.was_served("m") is None


def test_models_prefer_what_a_node_has_loaded(nodes: NodeRegistry) -> None:
    nodes.join(joining("a", "m"))
    loaded = Capabilities(models=[ModelEntry(id="m", engine="x", loaded=True)])
    nodes.join(joining("b", capabilities=loaded))
    entry, serving = nodes.models()["m"]
    assert entry.loaded
    assert [node.name for node in serving] == ["a", "b"]


def test_workers_only_leaves_other_servers_out(nodes: NodeRegistry) -> None:
    nodes.join(joining("a", "mine"))
    nodes.join(joining("b", "theirs", kind=NodeKind.EXTERNAL))
    assert set(nodes.models()) == {"mine", "theirs"}
    assert set(nodes.models(workers_only=True)) == {"mine"}
    assert [node.name for node in nodes.workers()] == ["a"]


def test_digests_tell_models_of_one_name_apart(nodes: NodeRegistry) -> None:
    nodes.join(joining("a", "m"))
    before = nodes.digest("m")
    other = Capabilities(models=[ModelEntry(id="m", engine="x", digest="other")])
    node = nodes.join(joining("b", capabilities=other))
    both = nodes.digest("m")
    assert before != both
    nodes.lose(node)
    assert nodes.digest("m") == both, "a lost node's answers are still right"


def test_suspicion_passes(nodes: NodeRegistry, clock: Clock) -> None:
    node = nodes.join(joining("a"))
    assert not nodes.is_suspect(node)
    nodes.blame(node)
    assert nodes.is_suspect(node)
    clock.now += 6
    assert not nodes.is_suspect(node)


async def test_waiting_ends_when_a_node_comes(nodes: NodeRegistry) -> None:
    nodes.expect("a")
    waiting = asyncio.create_task(nodes.wait_for(lambda: bool(nodes.serving("m")), timeout=5.0))
    await asyncio.sleep(0)
    assert nodes.expected == {"a"}
    node = nodes.join(joining("a", "m"))
    assert await waiting
    assert nodes.expected == frozenset()
    nodes.lose(node)
    assert nodes.expected == {"a"}, "it will come back"


async def test_waiting_ends_when_hope_is_given_up(nodes: NodeRegistry) -> None:
    nodes.expect("a")
    waiting = asyncio.create_task(nodes.wait_for(lambda: not nodes.expected, timeout=5.0))
    await asyncio.sleep(0)
    nodes.give_up_on("a")
    assert await waiting


async def test_waiting_ends_when_the_time_is_over(nodes: NodeRegistry) -> None:
    assert not await nodes.wait_for(lambda: False, timeout=0.01)
