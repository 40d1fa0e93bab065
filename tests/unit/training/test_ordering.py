"""Sums and products are written in the order in which their numbers are said."""

import pytest
from training.data.ordering import in_order


@pytest.mark.parametrize(
    ("expression", "wording", "ordered"),
    [
        ("{a} * {n}", "{n} boxes at {a}", "{n} * {a}"),
        ("{n} * {a}", "{n} boxes at {a}", "{n} * {a}"),
        ("{a} * {n} + {b} * {m}", "{m} at {b} and {n} at {a}", "{m} * {b} + {n} * {a}"),
        ("{price} + {price.2}", "{price.2} and {price}", "{price.2} + {price}"),
        ("({a} + {b}) * {n}", "{n} sets of {b} and {a}", "{n} * ({b} + {a})"),
        ("{a} / ({b} * {n})", "{a} for {n} of {b}", "{a} / ({n} * {b})"),
        ("{a} - {b}", "take {b} from {a}", "{a} - {b}"),
        ("{a} - {b} + {c}", "{c}, {b}, {a}", "{a} - {b} + {c}"),
        ("{a} * {p} / 100", "{p} percent of {a}", "{a} * {p} / 100"),
        ("{a} + {{1}}", "the rest and {a}", "{a} + {{1}}"),
        ("2 * ({a} + {b})", "{b} by {a}", "2 * ({b} + {a})"),
    ],
)
def test_orders_what_may_be_swapped(expression: str, wording: str, ordered: str) -> None:
    assert in_order(expression, wording) == ordered


def test_leaves_what_is_no_expression() -> None:
    assert in_order("{a} *", "{a}") == "{a} *"
