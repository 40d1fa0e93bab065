"""Tools put together from verbs and objects: requests that determine which tool they mean."""

import itertools
import random

import pytest
from training.data.frames import archetype, related, things, verbs
from training.data.newtools import offer
from training.data.phrasing import Source
from training.data.slots import SLOT
from training.data.words import Words


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_every_object_can_be_asked_for_with_each_of_its_verbs(split: str) -> None:
    source = Source(random.Random(3), split)
    words = Words(source.rng)
    for thing in things(split):
        for key in thing.verbs:
            details = source.rng.sample(thing.details, min(2, len(thing.details)))
            one = offer(source, words, archetype(source, verbs()[key], thing, details))
            message, step = one.request(source, words)
            assert not SLOT.search(message), message
            assert "{" not in message.replace("{{", ""), message
            told = set(step.args) - {option.name for option in one.options}
            assert told == set(one.tool.parameters["required"])


def test_some_objects_are_never_trained() -> None:
    trained, held_out = ({thing.name for thing in things(s)} for s in ("train", "held_out"))
    assert held_out
    assert trained.isdisjoint(held_out)


def test_tools_of_one_prompt_share_words_but_no_meaning() -> None:
    shared = 0
    for seed in range(200):
        kinds = related(Source(random.Random(seed)), 6)
        names = [kind.names[0] for kind in kinds]
        assert len(set(names)) == len(names)
        for one, other in itertools.combinations(kinds, 2):
            shared += bool(set(one.names[0].split("_")) & set(other.names[0].split("_")))
    assert shared > 200


@pytest.mark.parametrize(
    ("key", "third"),
    [("cancel", "Cancels"), ("buy", "Buys"), ("publish", "Publishes"), ("copy", "Copies")],
)
def test_descriptions_conjugate_their_verbs(key: str, third: str) -> None:
    source = Source(random.Random(5))
    thing = next(thing for thing in things("train") if key in thing.verbs)
    kinds = (archetype(source, verbs()[key], thing) for _ in range(300))
    told = {text for kind in kinds for text in kind.descriptions}
    assert any(text.startswith(f"{third} ") for text in told)
    assert any(text.startswith(f"Use this to {key} ") for text in told)
