"""Requests for the calculator: sums, percentages, powers, literal expressions, word problems."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from training.data import scenes
from training.data.corpus import drawn
from training.data.currency import priced
from training.data.numbers import Numbers
from training.data.ordering import in_order
from training.data.phrasing import Source, ask, command, polish
from training.data.rewording import reworded
from training.data.rough import roughened
from training.data.sample import Step
from training.data.slots import SLOT, Slots
from training.data.words import Words

CALCULATE = "Calculate."
_SIGNS = {
    "+": ("+", "+", "+", " plus ", "plus"),
    "-": ("-", "-", "-", " minus ", "minus"),
    "*": ("*", "*", "*", "x", "\u00d7", "times", "multiplied by"),
    "/": ("/", "/", "/", "÷", "divided by", "over"),
    "**": ("^", "**", "**", "to the power of"),
}


def _root(value: float) -> float:
    if value < 0:
        raise ArithmeticError("a number below zero has no root")
    return math.sqrt(value)


_FUNCTIONS = {"sqrt": _root, "factorial": math.factorial}


@dataclass(frozen=True)
class Sum:
    """A calculation.

    Attributes:
        thing: How it is named inside a request ("the sum of 2 and 3").
        expression: What the calculator is given.
        form: `thing` is asked for, `action` is commanded, `whole` is a request by itself.
    """

    thing: str
    expression: str
    form: str


def step(expression: str) -> Step:
    """The plan step that evaluates an expression."""
    return Step("calculator", {"expression": expression}, CALCULATE)


def request(source: Source) -> tuple[str, str]:
    """A request and the expression that answers it."""
    drawn = draw(source)
    if drawn.form == "action":
        return command(source, drawn.thing), drawn.expression
    if drawn.form == "thing":
        return ask(source, drawn.thing), drawn.expression
    return polish(source, drawn.thing), drawn.expression


def draw(source: Source) -> Sum:
    """One calculation in some wording."""
    makers: tuple[tuple[float, Callable[[Source], Sum]], ...] = (
        (0.08, _literal_pair),
        (0.08, _literal_long),
        (0.17, lambda s: _worded(s, "sums/things*.txt", "thing")),
        (0.15, lambda s: _worded(s, "sums/actions*.txt", "action")),
        (0.28, lambda s: _worded(s, "sums/whole_direct*.txt", "whole")),
        (0.36, lambda s: _worded(s, "sums/whole_story*.txt", "whole")),
        # Few wordings, and the likeliest ones.
        (0.12, lambda s: _worded(s, "sums/whole_direct_convert.txt", "whole")),
        (0.1, lambda s: _worded(s, "sums/whole_story_everyday.txt", "whole")),
        (0.2, lambda s: _worded(s, "sums/whole_story_daily.txt", "whole")),
        # The forms that strangers use, which the rest has few of.
        (0.2, lambda s: _worded(s, "sums/whole_direct_wide*.txt", "whole")),
        (0.4, lambda s: _worded(s, "sums/whole_story_wide*.txt", "whole")),
        (0.2, lambda s: _worded(s, "sums/whole_story_trade*.txt", "whole")),
        (0.2, lambda s: _worded(s, "sums/whole_story_aside*.txt", "whole")),
        (1.0, told),
    )
    weights = [weight for weight, _ in makers]
    (maker,) = source.rng.choices([make for _, make in makers], weights)
    return maker(source)


def told(source: Source) -> Sum:
    """A tale of what happened to a quantity."""
    message, (expression,) = _tale_text(source, scenes.single(source))
    return Sum(message, expression, "whole")


def told_chain(source: Source) -> tuple[str, list[str]]:
    """A request with two questions, and the expressions of both, the second on the first."""
    tale = scenes.chain(source)
    message, written = _tale_text(source, tale)
    return polish(source, message), written


def value_of(expression: str) -> float | int:
    """Evaluates an expression of the generator's own grammar.

    Raises:
        ValueError: It has anything in it but numbers, brackets, operators and functions.
        ArithmeticError: It has no finite value.
    """
    if not re.fullmatch(r"(?:(?:sqrt|factorial)\(|[-+*/%() .0-9])+", expression):
        raise ValueError(f"not an expression: {expression!r}")
    # Leading zeros ("007") are no Python number; the calculator takes them.
    plain = re.sub(r"(?<![\d.])0+(?=\d)", "", expression)
    try:
        result = eval(plain, {"__builtins__": {}}, _FUNCTIONS)
    except (SyntaxError, TypeError) as error:
        raise ValueError(f"not an expression: {expression!r}") from error
    if not isinstance(result, int | float):
        raise ValueError(f"not a number: {expression!r}")
    return result


def result_text(value: float) -> str:
    """A value as the calculator prints it."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return str(value) if isinstance(value, int) else repr(round(value, 10))


def _worded(source: Source, pattern: str, form: str) -> Sum:
    """A calculation of the corpus: its head is the expression, and kinds of its numbers."""
    block = drawn(source.rng, pattern)
    # Most sums that people ask for have two numbers.
    while len(set(SLOT.findall(block.head))) > 2 and source.chance(0.25):
        block = drawn(source.rng, pattern)
    expression, _, kinds = block.head.partition(" ; ")
    ranges = dict(pair.split("=") for pair in kinds.split())
    slots = Slots(source, Words(source.rng), ranges)
    wording = reworded(source, source.phrase(block.lines), sums=True)
    written = slots.written(in_order(expression, wording))
    return Sum(slots.said(roughened(source, priced(source, wording))), written, form)


def _tale_text(source: Source, tale: scenes.Tale) -> tuple[str, list[str]]:
    slots = Slots(source, Words(source.rng), tale.kinds)
    wording = reworded(source, tale.told, sums=True)
    written = [slots.written(in_order(one, wording)) for one in tale.expressions]
    return slots.said(roughened(source, priced(source, wording))), written


def _literal_pair(source: Source) -> Sum:
    numbers = Numbers(source.rng)
    left, right = numbers.any(), numbers.any()
    if source.chance(0.2):
        # What people try first: 2+2, 1/0.
        left, right = numbers.between(0, 12), numbers.between(0, 12)
    sign = source.rng.choice(("+", "-", "*", "*", "/"))
    slots = Slots(source, Words(source.rng))
    slots.give("a", left)
    slots.give("b", right)
    first, _, second = priced(source, "{a} and {b}").partition(" and ")
    said = _joined(source, slots.said(first), sign, slots.said(second))
    return Sum(said, f"{left.written} {sign} {right.written}", "thing")


def _joined(source: Source, left: str, sign: str, right: str) -> str:
    spoken = source.rng.choice(_SIGNS[sign]).strip()
    # Symbols may stand close to digits; words may not.
    close = not any(part.isalpha() for part in (spoken.removeprefix("x"), left[-1], right[0]))
    gap = "" if close and source.chance(0.4) else " "
    return f"{left}{gap}{spoken}{gap}{right}"


def _literal_long(source: Source) -> Sum:
    """An expression typed as such: three to five numbers, brackets, powers, signs."""
    written = _nested(source, source.rng.choice((3, 3, 3, 4, 4, 5)))
    said = written
    if source.chance(0.5):
        said = said.replace(" ", "")
    if source.chance(0.25) and "sqrt" not in said:
        times = source.rng.choice(("x", "\u00d7"))
        said = re.sub(r"(?<!\*)\*(?!\*)", times, said)
    if source.chance(0.4):
        said = said.replace("**", "^")
    if source.chance(0.15):
        said = said.replace("/", "÷")
    return Sum(said, written, "thing")


def _nested(source: Source, count: int) -> str:
    if count == 1:
        return _operand(source)
    left = source.rng.randint(1, count - 1)
    sign = source.rng.choices(("+", "-", "*", "/", "**", "%"), (5, 4, 5, 3, 1, 0.3))[0]
    if sign == "**":
        base = _nested(source, count - 1)
        return f"{_bracketed(base)} ** {source.rng.randint(2, 6)}"
    parts = [_nested(source, left), _nested(source, count - left)]
    wanted = [" " in part and (sign in "*/%" or source.chance(0.3)) for part in parts]
    parts = [_bracketed(part) if needs else part for part, needs in zip(parts, wanted, strict=True)]
    return f"{parts[0]} {sign} {parts[1]}"


def _bracketed(part: str) -> str:
    return f"({part})" if " " in part else part


def _operand(source: Source) -> str:
    numbers = Numbers(source.rng)
    if source.chance(0.02):
        return f"sqrt({source.rng.randint(2, 9999)})"
    if source.chance(0.15):
        return numbers.decimal().written
    return numbers.integer(source.rng.choice((1, 1, 1, 2, 2, 3, 4))).written
