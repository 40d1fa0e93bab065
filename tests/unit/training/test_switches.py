"""Tools that do two opposite things: what the request's words mean stands in the argument."""

import random

import pytest
from training.data.frames import related, verbs
from training.data.newtools import offer
from training.data.phrasing import Source
from training.data.switches import opposite
from training.data.words import Words


def test_requests_tell_either_side_and_only_known_ones() -> None:
    source = Source(random.Random(6))
    words = Words(source.rng)
    sides: set[object] = set()
    for _ in range(1000):
        for kind in related(source, 3):
            if not any(wording.constants for wording in kind.wordings):
                continue
            one = offer(source, words, kind)
            name = one.tool.parameters["required"][0]
            schema = one.tool.parameters["properties"][name]
            _, step = one.request(source, words)
            told = set(step.args) - {option.name for option in one.options}
            assert told == set(one.tool.parameters["required"])
            assert step.args[name] in schema.get("enum", (True, False))
            sides.add(step.args[name])
    assert sides >= {True, False, "on", "off", "open", "close"}


@pytest.mark.parametrize(
    ("key", "possible", "undone"),
    [
        ("turn_on", ("turn_on",), "turn_off"),
        ("unlock", ("lock", "unlock"), "lock"),
        ("show", ("show", "print"), None),
        ("hide", ("show", "hide"), "show"),
        ("print", ("print",), None),
    ],
)
def test_only_some_things_can_be_undone(
    key: str, possible: tuple[str, ...], undone: str | None
) -> None:
    assert opposite(key, possible) == undone


def test_a_tool_that_does_both_stands_alone_for_its_object() -> None:
    done = {base.replace(" ", "_") for verb in verbs().values() for base in (verb.key, *verb.bases)}
    both = 0
    for seed in range(300):
        kinds = related(Source(random.Random(seed)), 8)
        switches = [kind for kind in kinds if kind.wordings[0].constants]
        both += len(switches)
        for kind in switches:
            # The last of its names is the object's.
            names = {other.names[0] for other in kinds if other is not kind}
            assert names.isdisjoint(f"{verb}_{kind.names[-1]}" for verb in done)
    assert both > 30
