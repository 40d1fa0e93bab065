"""Wordings in other words keep their slots, their numbers and what they ask for."""

import random
import re

import pytest
from training.data.corpus import blocks
from training.data.numbers import spelled
from training.data.phrasing import Source
from training.data.rewording import reworded

_SLOTS = re.compile(r"\{\w+(?:\.\w+)?\}")


def _variants(template: str, *, sums: bool = True) -> set[str]:
    return {reworded(Source(random.Random(seed)), template, sums=sums) for seed in range(400)}


def test_a_wording_is_said_in_many_ways_and_as_it_stands() -> None:
    template = "I bought {n} boxes of apples, {who} ate {k}. how many apples are left?"
    variants = _variants(template)
    assert template in variants
    assert len(variants) > 50
    assert all(_SLOTS.findall(one) == ["{n}", "{who}", "{k}"] for one in variants)


def test_the_same_phrase_has_the_same_equal_throughout_and_none_that_is_there() -> None:
    for one in _variants("{a} dogs and {b} cats. are there more dogs than cats"):
        animals = re.findall(r"dogs|cats|horses|goats|sheep|cows|hens|ducks|rabbits", one)
        assert animals[0] == animals[2]
        assert animals[1] == animals[3]
        assert animals[0] != animals[1]


def test_what_is_counted_stays_outside_sums() -> None:
    assert _variants("please feed the dogs at the school", sums=False) <= {
        f"{word} feed the dogs at the school" for word in ("please", "pls", "plz", "kindly")
    }


def test_the_question_may_come_first() -> None:
    assert any(one.startswith("what do I pay?") for one in _variants("{a} for tea. what do I pay?"))


@pytest.mark.parametrize("name", ["equals", "asides"])
def test_no_phrase_has_a_number(name: str) -> None:
    numbers = {spelled(n) for n in range(100)} | {"half", "dozen", "double", "twice"}
    for block in blocks(f"words/{name}.txt"):
        for line in block.lines:
            assert not numbers & set(re.findall(r"[\w-]+", line)), line
            assert not re.search(r"\d", line)
