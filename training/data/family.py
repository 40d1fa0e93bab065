"""Groups of wordings that mean one expression."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SLOT = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True)
class Family:
    """Wordings with one meaning.

    Attributes:
        expression: The expression, with `{a}`, `{b}` ... for the numbers.
        phrasings: Templates over the same slots.
        ranges: Bounds of integer slots; the others take any number.
    """

    expression: str
    phrasings: tuple[str, ...]
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the numbers, each once."""
        return tuple(dict.fromkeys(_SLOT.findall(self.expression)))


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text, as templates."""
    return tuple(line.strip() for line in text.strip().splitlines())
