"""Reads and computes arithmetic; a language of its own, so that nothing in it can be code.

A precedence-climbing parser (Pratt, "Top down operator precedence", 1973) that computes as it
reads. Whole numbers are exact; their size is bounded before each operation, not after it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeAlias

Number: TypeAlias = int | float

LONGEST_EXPRESSION = 1000
# About 3,000 decimal digits; below the 4,300 that Python turns into text.
_MOST_BITS = 10_000
_DEEPEST = 64
_LARGEST_FACTORIAL = 1000

# What people write for the signs: multiplication cross, dots, division, minus.
_SAME_SIGN = {
    "^": "**",
    "x": "*",
    "X": "*",
    "of": "*",
    "\u00d7": "*",
    "\u00b7": "*",
    "\u22c5": "*",
    "\u00f7": "/",
    "\u2212": "-",
}
_TOKEN = re.compile(
    r"\s*((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    r"|[xX](?=[\s0-9.(])|[A-Za-z_][A-Za-z_0-9]*"
    r"|\*\*|//|[-+*/%^(),!\u00d7\u00b7\u22c5\u00f7\u2212])"
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_END = ""

_BINDING = {"+": 10, "-": 10, "*": 20, "/": 20, "//": 20, "%": 20, "**": 40}
_UNARY_BINDING = 30

CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}


class ArithmeticRefused(ValueError):  # noqa: N818 - says what happened: it was not computed
    """The expression has no value here; the message says why."""


def evaluate(expression: str) -> Number:
    """Return the value of an expression.

    Knows ``+ - * / // % ** ^ !``, brackets, a percent sign after a number (``25% * 80``),
    constants and functions; ``x`` and ``of`` multiply. ``/`` gives a whole number where it
    divides evenly.

    Raises:
        ArithmeticRefused: It is too long or no arithmetic, or it has no finite value, or a
            number in it would be too large.
    """
    if len(expression) > LONGEST_EXPRESSION:
        refuse(f"the expression is longer than {LONGEST_EXPRESSION} characters")
    # A comma between digits groups thousands where no function takes arguments.
    if not re.search(r"[A-Za-z]\w*\s*\(", expression):
        expression = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), expression)
    try:
        value = _Parser(_tokens(expression)).whole()
    except ZeroDivisionError:
        refuse("it divides by zero")
    except OverflowError:
        refuse("a number in it is too large")
    except ValueError as error:
        if isinstance(error, ArithmeticRefused):
            raise
        refuse("a function in it has no value there")
    return value


def refuse(reason: str) -> NoReturn:
    """Raise the refusal."""
    raise ArithmeticRefused(reason)


def _tokens(expression: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    end = len(expression.rstrip())
    while position < end:
        found = _TOKEN.match(expression, position)
        if found is None:
            refuse(f"{expression[position:].strip()[:20]!r} is no arithmetic")
        tokens.append(_SAME_SIGN.get(found[1], found[1]))
        position = found.end()
    return [*tokens, _END]


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0

    def whole(self) -> Number:
        if self._next == _END:
            refuse("there is nothing to compute")
        value = self._expression(0)
        if self._next != _END:
            refuse(f"{self._next!r} does not belong there")
        return _finite(value)

    @property
    def _next(self) -> str:
        return self._tokens[self._position]

    def _take(self) -> str:
        symbol = self._next
        self._position += symbol != _END
        return symbol

    def _expect(self, symbol: str) -> None:
        if self._take() != symbol:
            refuse(f"a {symbol!r} is missing")

    def _expression(self, weakest: int) -> Number:
        self._depth += 1
        if self._depth > _DEEPEST:
            refuse("it is nested too deeply")
        left = self._postfix(self._operand())
        while _BINDING.get(self._next, -1) >= weakest:
            operator = self._take()
            # A power binds to its right: 2 ** 3 ** 2 is 2 ** 9.
            tighter = _BINDING[operator] + (operator != "**")
            left = _OPERATORS[operator](left, self._expression(tighter))
            _finite(left)
        self._depth -= 1
        return left

    def _operand(self) -> Number:
        symbol = self._take()
        if symbol == "(":
            value = self._expression(0)
            self._expect(")")
            return value
        if symbol in ("+", "-"):
            value = self._expression(_UNARY_BINDING)
            return -value if symbol == "-" else value
        if symbol[:1].isdigit() or symbol[:1] == ".":
            return _number(symbol)
        if symbol[:1].isalpha():
            return self._named(symbol)
        refuse("it ends too early" if symbol == _END else f"{symbol!r} does not belong there")

    def _postfix(self, value: Number) -> Number:
        while self._next == "!" or self._is_percent():
            value = _factorial(value) if self._take() == "!" else _divide(value, 100)
        return value

    def _is_percent(self) -> bool:
        if self._next != "%":
            return False
        after = self._tokens[self._position + 1]
        if after in ("+", "-"):
            refuse("'%' before a sign may mean two things: write (50%) + 3, or 50 % (+3)")
        return after in (_END, ")", ",", "*", "/", "//", "%")

    def _named(self, name: str) -> Number:
        lower = name.lower()
        if self._next != "(":
            if lower in CONSTANTS:
                return CONSTANTS[lower]
            refuse(f"{name[:30]!r} is no constant; there are {', '.join(CONSTANTS)}")
        if lower not in FUNCTIONS:
            refuse(f"{name[:30]!r} is no function; there are {', '.join(FUNCTIONS)}")
        self._take()
        fewest, most, function = FUNCTIONS[lower]
        arguments = self._arguments()
        if not fewest <= len(arguments) <= most:
            refuse(f"{lower} does not take {len(arguments)} arguments")
        return _finite(function(*arguments))

    def _arguments(self) -> list[Number]:
        arguments = [self._expression(0)]
        while self._next == ",":
            self._take()
            arguments.append(self._expression(0))
        self._expect(")")
        return arguments


def _number(token: str) -> Number:
    return _finite(int(token) if token.isdigit() else float(token))


def _finite(value: Number) -> Number:
    if isinstance(value, int):
        _bounded(value.bit_length())
    elif not math.isfinite(value):
        refuse("a number in it is too large")
    return value


def _bounded(bits: float) -> None:
    if bits > _MOST_BITS:
        refuse("a number in it would have more than 3,000 digits")


def _add(left: Number, right: Number) -> Number:
    return left + right


def _subtract(left: Number, right: Number) -> Number:
    return left - right


def _multiply(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        _bounded(left.bit_length() + right.bit_length())
    return left * right


def _divide(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return left / right


def _floor_divide(left: Number, right: Number) -> Number:
    return left // right


def _remainder(left: Number, right: Number) -> Number:
    return left % right


def _power(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int) and right > 0:
        # 0, 1 and -1 stay small whatever the exponent is.
        _bounded((abs(left).bit_length() - 1) * right)
        return int(pow(left, right % 2 + 2 if abs(left) < 2 else right))
    value = pow(left, right)
    if isinstance(value, complex):
        refuse("a root of a negative number is not a real number")
    return float(value)


def _factorial(value: Number) -> Number:
    if value != int(value) or not 0 <= value <= _LARGEST_FACTORIAL:
        refuse(f"a factorial needs a whole number from 0 to {_LARGEST_FACTORIAL}")
    return math.factorial(int(value))


def _round(value: Number, digits: Number = 0) -> Number:
    if digits != int(digits) or abs(digits) > 300:
        refuse("round needs a whole number of digits")
    return round(value, int(digits)) if digits else round(value)


def _whole(value: Number, name: str) -> int:
    if value != int(value):
        refuse(f"{name} needs whole numbers")
    return int(value)


def _gcd(*values: Number) -> Number:
    return math.gcd(*(_whole(value, "gcd") for value in values))


def _lcm(left: Number, right: Number) -> Number:
    return math.lcm(_whole(left, "lcm"), _whole(right, "lcm"))


def _sqrt(value: Number) -> Number:
    if isinstance(value, int) and value >= 0:
        root = math.isqrt(value)
        if root * root == value:
            return root
    return math.sqrt(value)


def _log(value: Number, base: Number = math.e) -> Number:
    exact = {2: math.log2, 10: math.log10, math.e: math.log}.get(base)
    return exact(value) if exact else math.log(value, base)


def _sum(*values: Number) -> Number:
    return sum(values)


def _mean(*values: Number) -> Number:
    return _divide(sum(values), len(values))


_OPERATORS: Mapping[str, Callable[[Number, Number], Number]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "//": _floor_divide,
    "%": _remainder,
    "**": _power,
}

# Name: fewest arguments, most arguments, function.
FUNCTIONS: Mapping[str, tuple[int, int, Callable[..., Number]]] = {
    "sqrt": (1, 1, _sqrt),
    "cbrt": (1, 1, math.cbrt),
    "abs": (1, 1, abs),
    "round": (1, 2, _round),
    "floor": (1, 1, math.floor),
    "ceil": (1, 1, math.ceil),
    "min": (1, 99, min),
    "max": (1, 99, max),
    "sum": (1, 99, _sum),
    "mean": (1, 99, _mean),
    "gcd": (1, 99, _gcd),
    "lcm": (2, 2, _lcm),
    "factorial": (1, 1, _factorial),
    "pow": (2, 2, _power),
    "mod": (2, 2, _remainder),
    "exp": (1, 1, math.exp),
    "log": (1, 2, _log),
    "ln": (1, 1, math.log),
    "log2": (1, 1, math.log2),
    "log10": (1, 1, math.log10),
    "sin": (1, 1, math.sin),
    "cos": (1, 1, math.cos),
    "tan": (1, 1, math.tan),
    "asin": (1, 1, math.asin),
    "acos": (1, 1, math.acos),
    "atan": (1, 1, math.atan),
    "sinh": (1, 1, math.sinh),
    "cosh": (1, 1, math.cosh),
    "tanh": (1, 1, math.tanh),
    "degrees": (1, 1, math.degrees),
    "radians": (1, 1, math.radians),
}
