"""The numbers that a text says, in digits or in words, each with the forms that it may take on.

``1.5 million`` may come back as 1500000, ``15% off`` as 0.15 or 0.85, ``7pm`` as 19.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

Forms = frozenset[float]


def _words(text: str) -> list[str]:
    return text.split()


_UNITS = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_ORDINALS = _words(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
)
_MONTHS = _words("jan feb mar apr may jun jul aug sep oct nov dec")
_SMALL = {word: value for value, word in enumerate(_UNITS)}
_ROUND = {word: value for value, word in enumerate(_TENS, 2)}
_SCALES = {
    "hundred": 1e2,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
    "dozen": 12.0,
    "k": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "bn": 1e9,
    "lakh": 1e5,
    "crore": 1e7,
}
# What a word of arithmetic brings along without saying it.
_IMPLIED: dict[str, tuple[float, ...]] = {
    "half": (2, 0.5, 1.5),
    "halve": (2, 0.5),
    "halved": (2, 0.5),
    "halves": (2, 0.5),
    "double": (2,),
    "doubled": (2,),
    "twice": (2,),
    "pair": (2,),
    "couple": (2,),
    "both": (2,),
    "square": (2, 0.5),
    "squared": (2,),
    "squares": (2,),
    "root": (2, 3, 0.5),
    "cube": (3,),
    "cubed": (3,),
    "cubic": (3,),
    "triple": (3,),
    "tripled": (3,),
    "thrice": (3,),
    "third": (3,),
    "thirds": (3,),
    "quadruple": (4,),
    "quarter": (4, 0.25, 15),
    "quarters": (4, 0.25),
    "tenth": (10, 0.1),
    "percent": (100,),
    "percentage": (100,),
    "cent": (100,),
    "cents": (100,),
    "dozen": (12,),
    "pi": (3.14, 3.1416, 3.14159, 3.141592653589793),
    "binary": (2,),
    "parity": (2,),
    "even": (2,),
    "odd": (2,),
    "logarithm": (10, 2),
    "log": (10, 2),
}
_COUNTING = frozenset(_words("average mean split each evenly equally share shared divide"))
_EVENING = frozenset(_words("pm evening afternoon night tonight dinner"))
_RATES = frozenset(_words("% percent percentage tax vat tip discount interest cent pct rate"))

# After these, a second is a unit of time.
_BEFORE_UNITS = frozenset(_words("a per each every one"))

# Normalised text: every kind of space is a plain one.
_TOKEN = re.compile(r"\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,'\u2019_]\d+)*|[^\W\d_]+|%")
_IN_ARGUMENT = re.compile(r"(?<![A-Za-z_\d.])\d+(?:[.,_]\d+)*(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,'\u2019_ ]\d{3})+")
_DECIMALS = re.compile(r"(\d{1,3}(?:([.,'\u2019_ ])\d{3})(?:\2\d{3})*)(?!\2)[.,](\d+)")


@dataclass(frozen=True, slots=True)
class SaidNumbers:
    """What a text says in numbers.

    Attributes:
        said: For each number, the forms that it may take on.
        implied: Numbers that its words bring along.
    """

    said: list[Forms] = field(default_factory=list)
    implied: Forms = frozenset()

    def explain(self, forms: Forms) -> bool:
        """Whether a number, given in its possible readings, is said or implied."""
        known = self.implied.union(*self.said)
        return any(_among(value, known) for value in forms)


def numbers_said(text: str) -> SaidNumbers:
    """Read the numbers of a text in any of the usual notations."""
    # Folded to plain digits, a raised 2 would become a part of the number before it.
    text = text.replace("\u00b2", " squared ").replace("\u00b3", " cubed ")
    text = re.sub(r"\s", " ", unicodedata.normalize("NFKC", text).casefold())
    tokens = _TOKEN.findall(text)
    words = set(tokens)
    said = [_dressed(forms, words) for forms in _spoken(tokens)]
    implied = {value for word in words for value in _IMPLIED.get(word, ())}
    if "%" in words:
        implied.add(100.0)
    if words & _COUNTING:
        # Of how many numbers, only a reader of the whole sentence could tell.
        implied |= {float(count) for count in range(2, min(len(said) + 2, 100))}
    implied |= {float(number) for number, name in enumerate(_MONTHS, 1) if _month(name, words)}
    return SaidNumbers(said, frozenset(implied))


def numbers_in(argument: str) -> list[tuple[str, Forms]]:
    """Return the numbers in an argument, as written and as read; not those of ``log10``."""
    return [(token, readings(token)) for token in _IN_ARGUMENT.findall(argument)]


def readings(token: str) -> Forms:
    """Return what digits with separators may mean: ``1,249`` and ``3,5`` differ in kind."""
    exponent = re.fullmatch(r"(.*\d)[eE]([+-]?\d{1,3})", token)
    if exponent:
        power = float(f"1e{exponent[2]}")
        return frozenset(value * power for value in readings(exponent[1]))
    if exact := _DECIMALS.fullmatch(token):
        # 1,249.99 or 1.249,99: the last separator is the decimal one.
        whole = re.sub(r"\D", "", exact[1])
        value = float(f"{whole}.{exact[3]}")
        # 7 550.5 may be two numbers of a list, too.
        apart = token.replace(",", ".").split(" ") if exact[2] == " " else ()
        return frozenset({value, *map(float, apart)})
    parts = re.split(r"\D", token)
    if len(parts) == 1:
        return frozenset({float(token)})
    grouped = _THOUSANDS.fullmatch(token) or "_" in token
    values = {float("".join(parts))} if grouped else set()
    if len(parts) == 2:
        values.add(float(".".join(parts)))
    if " " in token or not (grouped or (len(parts) == 2 and "." in token)):
        # A list without commas or spaces between, or a date.
        values |= {float(part) for part in parts}
    return frozenset(values)


def _among(value: float, known: Forms) -> bool:
    return any(abs(value - other) <= 1e-9 * max(abs(value), abs(other), 1e-300) for other in known)


def _month(name: str, words: set[str]) -> bool:
    return any(word.startswith(name) for word in words)


def _dressed(forms: Forms, words: set[str]) -> Forms:
    """Add what a percentage or an hour in the evening turns into."""
    more = set(forms)
    for value in forms:
        if value <= 1000 and words & _RATES:
            share = value / 100
            more |= {share, 1 + share, 1 - share, 100 + value, 100 - value}
        if value <= 12 and words & _EVENING:
            more.add(value + 12)
    return (
        frozenset(more) if words & {"%", "percent", *_EVENING} or _mentions_rate(words) else forms
    )


def _mentions_rate(words: set[str]) -> bool:
    return bool(words & {"tax", "vat", "tip", "discount", "interest", "cent", "pct", "rate"})


def _spoken(tokens: list[str]) -> Iterator[Forms]:
    """Yield the numbers of a token list, in digits, in words, and mixed (``1.5 million``)."""
    position = 0
    earlier = 0.0
    while position < len(tokens):
        found = _one_number(tokens, position)
        if found is None:
            earlier, position = 0.0, position + 1
            continue
        forms, end = found
        yield forms
        value = max(forms) if tokens[position].isalpha() else 0.0
        # Nineteen eighty-four is a year, too.
        if min(earlier, value) >= 10 and max(earlier, value) <= 99:
            yield frozenset({earlier * 100 + value, earlier, value})
        earlier, position = value, end


def _one_number(tokens: list[str], start: int) -> tuple[Forms, int] | None:
    word = tokens[start]
    if word[0].isdecimal():
        return _scaled(tokens, readings(word), start + 1)
    if word in _SMALL or word in _ROUND:
        value, end = _below_hundred(tokens, start)
        return _scaled(tokens, frozenset({value}), end)
    if word in _ORDINALS and not _is_unit(tokens, start):
        return frozenset({float(_ORDINALS.index(word))}), start + 1
    if word in ("a", "an") and _scale(tokens, start + 1):
        return _scaled(tokens, frozenset({1.0}), start + 1)
    if word == "half" and (scale := _scale(tokens, start + 2)):
        return frozenset({scale / 2}), start + 3
    return None


def _is_unit(tokens: list[str], position: int) -> bool:
    earlier = tokens[position - 1] if position else ""
    return tokens[position] == "second" and earlier in _BEFORE_UNITS


def _below_hundred(tokens: list[str], start: int) -> tuple[float, int]:
    word = tokens[start]
    if word in _SMALL:
        return float(_SMALL[word]), start + 1
    value = _ROUND[word] * 10
    unit = _SMALL.get(tokens[start + 1], 0) if start + 1 < len(tokens) else 0
    return (float(value + unit), start + 2) if 0 < unit < 10 else (float(value), start + 1)


def _scaled(tokens: list[str], forms: Forms, end: int) -> tuple[Forms, int]:
    """Apply the scales that follow, and add what comes after them: two hundred and five."""
    variants = set(forms)
    base = forms
    while scale := _scale(tokens, end):
        base = frozenset(value * scale for value in base)
        variants |= base
        end += 1
        rest, after = _rest(tokens, end, scale)
        if rest is not None:
            base = frozenset(value + rest for value in base)
            variants |= base
            end = after
    fraction, after = _fraction(tokens, end)
    if fraction:
        variants |= {value + fraction for value in base}
        end = after
    return frozenset(variants), end


def _scale(tokens: list[str], position: int) -> float:
    return _SCALES.get(tokens[position].removesuffix("s"), 0.0) if position < len(tokens) else 0.0


def _rest(tokens: list[str], position: int, below: float) -> tuple[float | None, int]:
    if tokens[position : position + 1] == ["and"]:
        position += 1
    if position >= len(tokens) or tokens[position] not in (*_SMALL, *_ROUND):
        return None, position
    value, end = _below_hundred(tokens, position)
    if _scale(tokens, end) == 100 and below > 100:
        value, end = value * 100, end + 1
        more, after = _rest(tokens, end, 100)
        if more is not None:
            value, end = value + more, after
    return (value, end) if value < below else (None, position)


def _fraction(tokens: list[str], position: int) -> tuple[float, int]:
    following = tokens[position : position + 3]
    if following == ["and", "a", "half"]:
        return 0.5, position + 3
    if following == ["and", "a", "quarter"]:
        return 0.25, position + 3
    if following[:1] == ["point"]:
        digits = "".join(
            str(_SMALL[word])
            for word in itertools.takewhile(
                lambda word: _SMALL.get(word, 10) < 10, tokens[position + 1 :]
            )
        )
        if digits:
            return float(f"0.{digits}"), position + 1 + len(digits)
    return 0.0, position
