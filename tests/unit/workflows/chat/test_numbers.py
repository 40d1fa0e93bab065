"""Numbers as people write them."""

import pytest

from llmlab.workflows.chat.numbers import numbers_in, numbers_said, readings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("What is 25 * 67?", 67),
        ("1,249.99 in all", 1249.99),
        ("1.249,99 in all", 1249.99),
        ("1 249,99 in all", 1249.99),
        ("1\u00a0000\u202f000 people", 1_000_000),
        ("1'234'567.5", 1234567.5),
        ("3,5 litres", 3.5),
        ("1,000", 1000),
        ("4.250", 4250),
        ("4.250", 4.25),
        ("10_000", 10_000),
        ("12,19,26", 19),
        ("2x4", 4),
        ("\uff11\uff12 and \uff13", 12),
        ("٣ and ٤", 4),
        ("seventeen times two", 17),
        ("twenty-five", 25),
        ("a hundred and five", 105),
        ("two hundred and five thousand and ten", 205_010),
        ("one hundred twenty-three thousand four hundred fifty-six", 123_456),
        ("1.5 million", 1_500_000),
        ("3k", 3000),
        ("half a dozen", 6),
        ("half a million", 500_000),
        ("two dozen", 24),
        ("three and a half", 3.5),
        ("two point five", 2.5),
        ("six and a quarter", 6.25),
        ("nineteen eighty-four", 1984),
        ("the third of May", 5),
        ("at 7pm", 19),
        ("15% off", 0.85),
        ("8 percent more", 1.08),
        ("half of it", 2),
        ("squared", 2),
        ("the average of 3, 4 and 8", 3),
        ("what percentage is it", 100),
    ],
)
def test_a_number_is_understood(text: str, value: float) -> None:
    assert numbers_said(text).explain(frozenset({value}))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("What is 25 * 67?", 52),
        ("What is 25 * 67?", 2567),
        ("1,249.99", 249),
        ("twenty-five", 52),
        ("five sixes", 56),
        ("Hello there", 0.5),
        ("8 times 9", 0.08),
        ("at 7 in the morning", 19),
    ],
)
def test_a_number_that_was_not_said_is_not_understood(text: str, value: float) -> None:
    assert not numbers_said(text).explain(frozenset({value}))


def test_numbers_in_names_are_no_numbers() -> None:
    found = numbers_in("log10(3) + atan2(x1, 4.5) * 1e3 - 1_000")
    assert [token for token, _ in found] == ["3", "4.5", "1e3", "1_000"]
    assert found[2][1] == {1000.0}


@pytest.mark.parametrize("token", ["9" * 5000, "1e999", "1e-999", "9,9,9" * 500])
def test_absurd_numbers_are_read_all_the_same(token: str) -> None:
    assert readings(token)
    assert numbers_said(token) is not None
