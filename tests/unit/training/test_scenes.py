"""Sums told as tales: the expression has what the tale says, in the order in which it says it."""

import random
import re

import pytest
from training.data import calculator, scenes
from training.data.corpus import Block
from training.data.phrasing import Source
from training.data.slots import SLOT

_DEBT = Block(
    "debt ; a=100..900 x=5..60 n=2..6",
    (
        "is {a}: I owed {a}",
        "- {x}: I paid {x}",
        "- {x} * {n}: I paid {x} for {n} months",
        "so it was for a car",
        "? what do I owe",
        "?- what did I pay",
        "then / {n}: the rest goes in {n} parts",
        "? how big is a part",
    ),
    "test",
)


@pytest.fixture
def debt(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = scenes.read(_DEBT)
    monkeypatch.setattr(scenes, "scenes", lambda split: [scene])


def _tales(make: str, count: int = 200) -> list[scenes.Tale]:
    return [getattr(scenes, make)(Source(random.Random(seed))) for seed in range(count)]


@pytest.mark.usefixtures("debt")
@pytest.mark.parametrize("make", ["single", "chain"])
def test_an_expression_has_the_numbers_of_its_tale(make: str) -> None:
    for tale in _tales(make):
        used = [slot for one in tale.expressions for slot in SLOT.findall(one)]
        assert sorted(used) == sorted(set(used))
        told = SLOT.findall(tale.told)
        assert sorted(told) == sorted(set(told))
        assert set(used) <= set(told)
        assert {slot.partition(".")[0] for slot in told} <= set(tale.kinds)
        if "what did i pay" not in tale.told.lower():
            assert set(used) == set(told)


@pytest.mark.usefixtures("debt")
def test_what_comes_later_acts_on_all_that_was_before() -> None:
    values = {re.sub(r"\.\d", "", tale.expressions[0]) for tale in _tales("single")}
    assert {"{a} - {x}", "({a} - {x}) / {n}", "({a} - {x} * {n}) / {n}", "{x} + {x}"} <= values
    assert not any(value.startswith("{a} - {x} /") for value in values)


@pytest.mark.usefixtures("debt")
def test_the_second_question_builds_on_the_first() -> None:
    for tale in _tales("chain"):
        assert re.fullmatch(r"\{\{1\}\} / \{n\.\d\}", tale.expressions[1])
        told = tale.told.lower()
        assert told.index("what do i owe") < told.index("how big is a part")


@pytest.mark.parametrize(
    "line",
    [
        "- {x}: I paid",
        "- {y}: I paid {y}",
        "when {x}: I paid {x}",
        "then / {n}: in {n} parts",
    ],
)
def test_a_scene_that_says_nonsense_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"debt|event"):
        scenes.read(Block("debt ; a=1..9 x=1..9 n=1..9", ("is {a}: {a}", "? what", line), "test"))


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_every_scene_of_the_corpus_can_be_told(split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for scene in scenes.scenes(split):
        monkeypatch.setattr(scenes, "scenes", lambda _, scene=scene: [scene])
        for seed in range(20):
            sum_ = calculator.told(Source(random.Random(seed), split))
            assert not SLOT.search(sum_.thing), sum_.thing
            calculator.value_of(sum_.expression)
