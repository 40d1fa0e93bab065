"""What a tool takes beside what it needs is in a plan only if the request says it."""

import random

from training.data.newtools import archetypes, offer
from training.data.options import options
from training.data.phrasing import Source
from training.data.words import Words


def test_an_option_is_given_if_and_only_if_the_request_says_it() -> None:
    source = Source(random.Random(5))
    said: set[object] = set()
    silent = 0
    for _ in range(1500):
        for option in options(source, ()):
            request, value = option.told(source, "book a table")
            if request == "book a table":
                silent += 1
                assert value == {}
                continue
            assert request.startswith("book a table")
            assert option.schema.get("enum", [True, False]).count(value[option.name]) == 1
            said.add(value[option.name])
    assert silent > 100
    assert said >= {True, False, "high", "json", "cash"}


def test_options_never_become_required_nor_take_a_name_that_is_taken() -> None:
    source = Source(random.Random(5))
    words = Words(source.rng)
    seen = 0
    for _ in range(400):
        one = offer(source, words, source.rng.choice(archetypes("train")))
        names = {option.name for option in one.options}
        seen += len(names)
        assert names.isdisjoint(one.renamed.values())
        assert names.isdisjoint(one.tool.parameters["required"])
        assert names <= set(one.tool.parameters["properties"])
        _, step = one.request(source, words)
        assert set(step.args) <= set(one.tool.parameters["properties"])
    assert seen > 40


def test_a_sentence_stays_one_before_its_option() -> None:
    source = Source(random.Random(1))
    requests = {options(source, ())[0].told(source, "Is it open?")[0] for _ in range(50)}
    assert all(request.startswith("Is it open?") for request in requests)
    assert all(len(r) == 11 or r[12].isupper() or not r[12].isalpha() for r in requests)


def test_some_options_are_held_out() -> None:
    def names(split: str) -> set[str]:
        source = Source(random.Random(2), split)  # type: ignore[arg-type]
        return {option.name for _ in range(500) for option in options(source, ())}

    assert names("held_out")
    assert names("held_out").isdisjoint(names("train"))
