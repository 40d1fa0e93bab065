"""Verdicts on answers of the corpus: what is good passes, what is bad is told why."""

import json
import random

import pytest
from training.data import verdicts
from training.data.corpus import Block
from training.data.phrasing import Source
from training.data.slots import SLOT
from training.data.words import Words


def _block(*lines: str) -> Block:
    return Block("what is {a} times {b} | {a} x {b}", lines, "test")


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_answers_of_the_corpus_are_filled_and_judged(
    split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(random.Random(6), split)
    words = Words(source.rng)
    told = []
    for case in verdicts.cases(split):
        monkeypatch.setattr(verdicts, "cases", lambda _, case=case: [case])
        for _ in range(8):
            sample = verdicts.verdict(source, words)
            text = sample.messages[-1]["content"]
            assert not SLOT.search(text), text
            told.append(json.loads(sample.answer))
    assert all(one["ok"] == (one["score"] >= 5) for one in told)
    assert all(bool(one["feedback"]) != one["ok"] for one in told)
    assert 0.3 < sum(one["ok"] for one in told) / len(told) < 0.7


def test_a_good_answer_to_a_failed_step_is_no_full_success(monkeypatch: pytest.MonkeyPatch) -> None:
    case = verdicts.read(_block("= calculator: Error: too large", "+ That failed."))
    monkeypatch.setattr(verdicts, "cases", lambda split: [case])
    source = Source(random.Random(1))
    told = json.loads(verdicts.verdict(source, Words(source.rng)).answer)
    assert (told["ok"], told["score"]) == (True, 6)


def test_a_missing_part_is_named() -> None:
    case = verdicts.read(_block("+ {a} and {b}", "- part 2: {a} | just {a}"))
    assert case.bad == ((4, "The answer leaves out result 2.", ("{a}", "just {a}")),)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["- number: {x}"], "no good answer"),
        (["+ {a}", "- odd: {x}"], "unknown reason"),
        (["+ {a}", "? {x}"], "no result and no answer"),
    ],
)
def test_a_block_that_says_nonsense_is_refused(lines: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verdicts.read(_block(*lines))
