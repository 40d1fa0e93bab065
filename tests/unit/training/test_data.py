"""The training data says what it should: right numbers, true copies, plans that can be read."""

import itertools
import json
import math
import random

import pytest
from training.data import calculator, lookup
from training.data.invented import draw as draw_call
from training.data.mixture import batches
from training.data.phrasing import ASKING, COMMANDING, Source, is_held_out
from training.data.plans import draw_request, draw_tools, planner_sample
from training.data.sample import Sample
from training.data.words import Words

from llmlab.tools.builtin.arithmetic import evaluate
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
        tools, calls = draw_tools(source, words)
        request = draw_request(source, words, tools, calls)
        plan = parse_plan_text(planner_sample(request, tools).answer)
        names = {tool.name for tool in tools}
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


def test_values_for_new_tools_stand_in_the_request():
    rng = random.Random(4)
    for _ in range(300):
        call = draw_call(Source(rng), Words(rng))
        assert set(call.step.args) == set(call.tool.parameters["properties"])
        assert all(str(value) in call.message for value in call.step.args.values())


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
