"""Plans are compared by meaning where wording is free, and exactly where it is not."""

import pytest
from training.evaluate.compare import same_expression, same_plan, same_tools


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("25 * 67", "67*25", True),
        ("80 * 15 / 100", "15 / 100 * 80", True),
        ("25 * 67", "25 + 67", False),
        ("1675", "25 * 67", False),
        ("{{1}} + 5", "5 + {{1}}", True),
        ("{{1}} + 5", "{{1}} - 5", False),
        ("rubbish(", "25 * 67", False),
    ],
)
def test_expressions(left, right, same):
    assert same_expression(left, right) is same


def test_tools_and_arguments():
    plan = [("browser", {"url": "https://a.org/B"}), (None, {})]
    assert same_plan(plan, plan)
    assert not same_plan([("browser", {"url": "https://a.org/b"}), (None, {})], plan)
    assert not same_plan(plan[:1], plan)
    assert same_tools([("browser", {"url": "x"}), (None, {})], plan)
    assert not same_plan([("roll", {"sides": 6, "count": 1})], [("roll", {"sides": 6})])


def test_free_words_may_be_worded_otherwise():
    wanted = [("web_search", {"query": "tide tables Bremen"})]
    free = {"tide tables Bremen": ["bremen", ["tide", "tides"]]}
    assert same_plan([("web_search", {"query": "the tides in Bremen"})], wanted, free)
    assert not same_plan([("web_search", {"query": "the tides"})], wanted, free)
