"""The training data says what it should: right numbers, true copies, plans that can be read."""

import itertools
import json
import math
import random

import pytest
from training.data import calculator, lookup
from training.data.corpus import blocks
from training.data.facts import FACTS
from training.data.mixture import batches
from training.data.newtools import archetypes, offer
from training.data.phrasing import ASKING, COMMANDING, Source, is_held_out
from training.data.plans import draw_bench, draw_request, planner_sample
from training.data.rough import roughened
from training.data.sample import Sample
from training.data.slots import SLOT
from training.data.smalltalk import TALK
from training.data.words import Words
from training.evaluate.cases import FRESH, OPEN, folder_rows

from llmlab.events import PlannedStep
from llmlab.tools.builtin.arithmetic import evaluate
from llmlab.workflows.chat.check import find_problem
from llmlab.workflows.chat.prompting import parse_plan_text


def samples(seed: int, count: int) -> list[Sample]:
    return [sample for batch in itertools.islice(batches(seed), count) for sample in batch]


def test_same_seed_gives_same_samples():
    assert samples(3, 20) == samples(3, 20)
    assert samples(3, 20) != samples(4, 20)


def test_every_kind_is_in_the_mixture():
    kinds = {sample.kind for sample in samples(1, 400)}
    assert kinds >= {
        "plan-calculator", "plan-search", "plan-browser", "plan-datetime", "plan-none",
        "plan-unseen", "plan-chain", "plan-several", "plan-follow-up", "compose",
        "step-talk", "step-honest", "chat-fact", "native-call", "native-answer",
    }  # fmt: skip


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_plans_are_read_back_and_use_only_listed_tools(split):
    rng = random.Random(7)
    source, words = Source(rng, split), Words(rng)
    for _ in range(300):
        bench = draw_bench(source, words)
        request = draw_request(source, words, bench)
        plan = parse_plan_text(planner_sample(request, bench.tools).answer)
        names = {tool.name for tool in bench.tools}
        assert all(step["tool"] in names | {None} for step in plan["steps"])
        assert [step["args"] for step in plan["steps"]] == [step.args for step in request.steps]


def test_expressions_have_the_value_that_the_lab_computes():
    source = Source(random.Random(11))
    for _ in range(500):
        _, expression = calculator.request(source)
        try:
            value = calculator.value_of(expression)
        except ArithmeticError:
            continue
        if abs(value) < 1e15:
            assert math.isclose(value, float(evaluate(expression)), rel_tol=1e-9), expression


def test_values_are_evaluated_from_numbers_only():
    assert calculator.value_of("007 + 1.50 * (2 - 1)") == 8.5
    with pytest.raises(ValueError, match="not an expression"):
        calculator.value_of("__import__('os')")


def test_careless_typing_leaves_something():
    source = Source(random.Random(5))
    assert all(roughened(source, "???") == "???" for _ in range(100))
    assert {roughened(source, "Hello there!") for _ in range(200)} > {"Hello there!", "hello there"}


@pytest.mark.parametrize("folder", [OPEN, FRESH])
def test_questions_by_hand_ask_for_facts_that_are_known(folder):
    known = {answer for answer, _ in FACTS}
    rows = list(folder_rows(folder, "facts"))
    assert len(rows) == 103
    for row in rows:
        assert row["accept"]
        assert set(row["accept"]) <= known, row["id"]


def test_the_same_words_always_get_the_same_answer():
    talk = [(block.head, block.lines) for block in blocks("talk/small*.txt")]
    first = [(block.head, block.lines) for block in blocks("talk/first.txt")]
    answers: dict[str, set[str]] = {}
    for answer, messages in (*FACTS, *TALK, *talk, *first):
        for message in messages:
            answers.setdefault(message.lower().rstrip(" .!?"), set()).add(answer)
    answers.pop("", None)
    assert not {words: heads for words, heads in answers.items() if len(heads) > 1}


def test_composed_answers_have_only_numbers_from_the_results():
    composed = [sample for sample in samples(5, 400) if sample.kind == "compose"]
    assert len(composed) > 50
    for sample in composed:
        results = sample.messages[-1]["content"].split("Results:\n", 1)[1]
        for line in sample.answer.splitlines():
            if "The answer is " in line:
                number = line.split("The answer is ", 1)[1].removesuffix(".")
                assert number in results, sample


def test_native_calls_are_json_in_tags():
    calls = [sample for sample in samples(6, 200) if sample.kind == "native-call"]
    assert calls
    for sample in calls:
        body = sample.answer.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")
        assert json.loads(body)["name"] in {tool.name for tool in sample.tools}


@pytest.mark.parametrize("make", [lookup.search, lookup.browse])
def test_copied_arguments_stand_in_the_request(make):
    rng = random.Random(2)
    for _ in range(300):
        message, step = make(Source(rng), Words(rng, pieces=("qu", "ark")))
        (argument,) = step.args.values()
        assert argument in message


def test_the_products_own_check_finds_nothing_in_a_plan_of_the_training_data():
    rng = random.Random(8)
    source, words = Source(rng), Words(rng)
    found = []
    for _ in range(400):
        bench = draw_bench(source, words)
        request = draw_request(source, words, bench)
        steps = [
            PlannedStep(tool=step.tool, args=step.args, instruction=step.instruction)
            for step in request.steps
        ]
        found.append(find_problem(steps, bench.tools, request.message, request.history))
    assert sum(problem is not None for problem in found) < 12, list(filter(None, found))


def test_a_repair_answers_what_the_check_says_of_a_spoilt_plan():
    repairs = [sample for sample in samples(9, 1600) if sample.kind == "plan-repair"]
    assert len(repairs) > 20
    for sample in repairs:
        assert sample.messages[-2]["content"] != sample.answer
        assert sample.messages[-1]["content"].startswith("That was not a usable plan: ")


def test_the_corpus_can_be_read_and_every_wording_filled():
    source = Source(random.Random(5))
    words = Words(source.rng)
    for archetype in (*archetypes("train"), *archetypes("held_out")):
        one = offer(source, words, archetype)
        for wording in archetype.wordings:
            # A value may have braces (a pattern to match), a wording only those of its slots.
            assert not set("{}") & set(SLOT.sub("", wording.template)), wording.template
            message, step = one.request(source, words)
            assert not SLOT.search(message), (archetype.names, message)
            missing = set(one.tool.parameters["required"]) - set(step.args)
            assert not missing, (archetype.names, message, missing)


def test_held_out_phrasings_are_never_trained():
    held_out = [text for text in (*ASKING, *COMMANDING) if is_held_out(text)]
    assert 3 < len(held_out) < 30
    source = Source(random.Random(1))
    drawn = {source.phrase(ASKING, {"x": "{x}"}) for _ in range(2000)}
    assert drawn.isdisjoint(held_out)


def test_alternatives_are_chosen_innermost_first():
    source = Source(random.Random(1))
    drawn = {source.choose("[a|b [c|d]] e") for _ in range(100)}
    assert drawn == {"a e", "b c e", "b d e"}
