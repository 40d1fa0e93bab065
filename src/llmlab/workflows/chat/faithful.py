"""Holds a composed answer to the number that a tool gave.

A small model that words a result may drop or swap a digit. The beginning of an answer is held
back until it is seen to be right; what is wrong never shows, or is set right behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from llmlab.workflows.chat.numbers import Forms, SaidNumbers, numbers_in, numbers_said

# Characters that are held back: a short sentence, which takes a model no time to speak of.
HELD = 60
# Digits that a floating-point number keeps.
_EXACT = 15

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_ABOUT = re.compile(
    r"\b(?:about|around|approximately|roughly|nearly|almost|over|under)\b|[~\u2248]"
)


class NumberGuard:
    """Passes an answer on once it tells a result, and sets it right where it does not.

    Args:
        tool: Whose result it is.
        output: The result as text; what is no number is not guarded.
        show: Takes the pieces that may be shown.
    """

    def __init__(self, tool: str | None, output: str, show: Callable[[str], None]) -> None:
        self._guards = tool is not None and _NUMBER.fullmatch(output.strip()) is not None
        self._tool = tool
        self._output = output.strip()
        self._show = show
        self._held: list[str] = []
        self._text = ""

    def take(self, piece: str) -> None:
        """Take a piece of the answer."""
        self._text += piece
        self._held.append(piece)
        # The last word may be a part of a number still.
        known, _, _ = self._text.rpartition(" ")
        if not self._guards or len(self._text) > HELD or tells(known, self._output):
            self._release()

    def end(self) -> str:
        """Return the whole answer, set right where it has to be."""
        if not self._guards or tells(self._text, self._output):
            self._release()
            return self._text
        if "".join(self._held) == self._text:
            self._text = f"The result is {self._output}."
            self._held = [self._text]
        else:
            self._held.append(f"\n\n({self._tool}: {self._output})")
            self._text += self._held[-1]
        self._release()
        return self._text

    def _release(self) -> None:
        held, self._held = self._held, []
        for piece in held:
            self._show(piece)


def tells(answer: str, result: str) -> bool:
    """Whether an answer has a number in it, exactly, rounded, or in words."""
    if result.lstrip("+-").isdecimal() and len(result) > _EXACT:
        joined = re.sub(r"(?<=\d)[ ,.'_\u00a0\u202f](?=\d)", "", answer)
        return re.search(rf"(?<!\d){result.lstrip('+-')}(?!\d)", joined) is not None
    value = abs(float(result))
    exact = frozenset({value})
    found = numbers_in(answer)
    if numbers_said(answer).explain(exact) or SaidNumbers([forms for _, forms in found]).explain(
        exact
    ):
        return True
    about = _ABOUT.search(answer.casefold()) is not None
    return any(_rounds(value, token, forms, about) for token, forms in found)


def _rounds(value: float, token: str, forms: Forms, about: bool) -> bool:
    _, _, decimals = token.partition(".")
    for found in forms:
        # 42.3, and 42.2 of who cuts off, for 42.258.
        if not value.is_integer() and abs(found - value) < 10.0 ** -len(decimals):
            return True
        if about and found and abs(found - value) <= 0.05 * value:
            return True
    return False
