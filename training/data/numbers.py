"""Numbers as people write them and as an expression wants them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.data.lists import listed

_UNITS, _TENS = listed("units"), listed("tens")


@dataclass(frozen=True)
class Number:
    """A number.

    Attributes:
        said: As it stands in the request: "1,250" or "twelve".
        written: As it stands in an expression: "1250" or "12".
    """

    said: str
    written: str


def spelled(value: int) -> str:
    """English words for 0 to 999."""
    if value < 20:
        return _UNITS[value]
    if value < 100:
        tens, units = divmod(value, 10)
        return _TENS[tens] + (f"-{_UNITS[units]}" if units else "")
    hundreds, rest = divmod(value, 100)
    head = f"{_UNITS[hundreds]} hundred"
    return f"{head} and {spelled(rest)}" if rest else head


@dataclass(frozen=True)
class Numbers:
    """Draws numbers of all sizes and spellings."""

    rng: random.Random

    def any(self) -> Number:
        """An integer of up to six digits, or a decimal."""
        return self.decimal() if self.rng.random() < 0.2 else self.integer()

    def integer(self, digits: int | None = None) -> Number:
        """An integer, now and then in words or with a thousands separator."""
        digits = digits or self.rng.choice((1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6))
        value = self.rng.randint(10 ** (digits - 1) if digits > 1 else 1, 10**digits - 1)
        if self.rng.random() < 0.25:
            value = round(value, -self.rng.randint(1, 3)) or value
        elif self.rng.random() < 0.08:
            value = self._repetitive(digits)
        return self._said(value)

    def _repetitive(self, digits: int) -> int:
        """All digits alike, two in turn, or a power of two: what is copied worst."""
        first, second = self.rng.randint(1, 9), self.rng.randint(0, 9)
        forms = (str(first) * digits, (f"{first}{second}" * digits)[:digits])
        return self.rng.choice((*map(int, forms), 2 ** self.rng.randint(1, 3 * digits + 1)))

    def between(self, low: int, high: int) -> Number:
        """An integer in a range, now and then in words."""
        return self._said(self.rng.randint(low, high))

    def scaled(self, low: str, high: str) -> Number:
        """A number in a range, with as many decimals as its ends have ("0.50", "9.99")."""
        places = len(low.partition(".")[2])
        ends = (int(end.replace(".", "")) for end in (low, high))
        value = self.rng.randint(*ends)
        text = f"{value // 10**places}.{value % 10**places:0{places}d}"
        return Number(text, text)

    def decimal(self) -> Number:
        """A number with one to three decimals."""
        places = self.rng.choice((1, 2, 2, 2, 3))
        whole = self.rng.randint(0, 10 ** self.rng.choice((1, 2, 2, 3, 4)))
        whole = 0 if self.rng.random() < 0.15 else whole
        text = f"{whole}.{self.rng.randint(0, 10**places - 1):0{places}d}"
        return Number(text, text)

    def price(self) -> Number:
        """A price with cents, or a round one."""
        if self.rng.random() < 0.4:
            return self.between(2, 900)
        cents = self.rng.choice((99, 50, 49, 95, 25, 75, self.rng.randint(0, 99)))
        text = f"{self.rng.randint(0, 10 ** self.rng.randint(1, 3))}.{cents:02d}"
        return Number(text, text)

    def percentage(self) -> Number:
        """A percentage, without its sign."""
        if self.rng.random() < 0.15:
            text = f"{self.rng.randint(1, 99)}.{self.rng.choice((5, 25, 75, 2))}"
        else:
            text = str(self.rng.randint(1, 99))
        return Number(text, text)

    def _said(self, value: int) -> Number:
        written = str(value)
        if value < 1000 and self.rng.random() < (0.15 if value <= 12 else 0.08):
            return Number(spelled(value), written)
        if value >= 1000 and self.rng.random() < 0.2:
            return Number(f"{value:,}", written)
        return Number(written, written)
