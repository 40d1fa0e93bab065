"""Composed answers and the numbers that tools gave."""

import pytest

from llmlab.workflows.chat.faithful import HELD, NumberGuard, tells


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("The answer is 1675.", "1675"),
        ("It is 1,675 in all", "1675"),
        ("It is 1 675 in all", "1675"),
        ("That makes **1675**", "1675.0"),
        ("seventeen, I think", "17"),
        ("You pay 46.80 each.", "46.8"),
        ("About 42.3 a day", "42.25806451612903"),
        ("42.26 kWh", "42.25806451612903"),
        ("Roughly 1,700 people", "1675"),
        ("It is -10.", "-10"),
        ("ten below zero", "-10"),
        ("1267650600228229401496703205376 it is", "1267650600228229401496703205376"),
        ("1,267,650,600,228,229,401,496,703,205,376", "1267650600228229401496703205376"),
        ("1e+30 or so", "1e+30"),
        ("0.85 of it", "0.85"),
    ],
)
def test_a_result_is_recognised(answer: str, result: str) -> None:
    assert tells(answer, result)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("The answer is 1657.", "1675"),
        ("The answer is 167.", "1675"),
        ("The answer is 16750.", "1675"),
        ("The answer is 3.", "34"),
        ("I do not know.", "1675"),
        ("", "1675"),
        ("It is 43.2", "42.258"),
        ("0.314146666", "0.3141666667"),
        ("1267650600228229401496703205367 it is", "1267650600228229401496703205376"),
    ],
)
def test_another_number_is_not_the_result(answer: str, result: str) -> None:
    assert not tells(answer, result)


def guarded(answer: str, output: str, tool: str | None = "calculator") -> tuple[str, list[str]]:
    shown: list[str] = []
    guard = NumberGuard(tool, output, shown.append)
    for word in answer.split(" "):
        guard.take(f"{word} ")
    return guard.end(), shown


def test_a_wrong_number_never_shows() -> None:
    answer, shown = guarded("The answer is 1657.", "1675")
    assert (answer, shown) == ("The result is 1675.", ["The result is 1675."])


def test_a_wrong_number_in_a_long_answer_is_set_right_behind_it() -> None:
    answer, shown = guarded("This is a rather long-winded way to say " * 3 + "1657.", "1675")
    assert answer.endswith("1657. \n\n(calculator: 1675)")
    assert "".join(shown) == answer
    assert len(shown) > 10


def test_a_right_answer_is_passed_on_as_it_is() -> None:
    answer, shown = guarded("The answer is 1675.", "1675")
    assert answer == "".join(shown) == "The answer is 1675. "
    long = "It is 1675, and that is all " * 5
    assert len(long) > HELD
    answer, shown = guarded(long, "1675")
    assert answer == "".join(shown)


@pytest.mark.parametrize(
    ("output", "tool"), [("some text", "search"), ("1675 kg", "scale"), ("1675", None), ("", None)]
)
def test_what_is_no_number_of_a_tool_streams_at_once(output: str, tool: str | None) -> None:
    answer, shown = guarded("I said nothing", output, tool)
    assert answer == "I said nothing "
    assert shown == ["I ", "said ", "nothing "]
