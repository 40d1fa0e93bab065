"""The words of a request, ready to be compared with what a plan makes of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from llmlab.workflows.chat.numbers import numbers_in, numbers_said

# Each is matched against one short piece of text, so that none can be made slow.
# A comma before a digit belongs to it: maps.example.org/?at=48.1,11.5
_PIECE = re.compile(r"(?:[^\s\"'<>()\[\]{},;|`]|,(?=\d))+")
_EMAIL = re.compile(r"[^@]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"(?:https?://|www\.).+", re.IGNORECASE)
_FILE_OR_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,6}(?:[/:].*)?")
_IDENTIFIER = re.compile(r"(?=.*\d)[A-Za-z][\w-]{3,}")
_LONGEST_PIECE = 500
_MOST_COMPARED = 50
_QUOTE = re.compile(
    r"[\"\u201c\u201d\u00ab\u201e]([^\"\u201c\u201d\u00bb]{2,200})[\"\u201c\u201d\u00bb]"
    r"|(?<!\w)['\u2018]([^'\u2019]{2,200})['\u2019](?!\w)"
)
_BETWEEN_DIGITS = r"[\s().,/+-]*"
_LONGEST_NUMBER = 40
# Codes that a model knows by itself: en, EUR, pt-BR, Europe/Berlin, a date.
_CODE = re.compile(
    r"[A-Za-z]{1,3}|[a-z]{2}[-_][A-Za-z]{2}|[A-Z][a-z]+/[A-Z]\w+(?:/\w+)?|[\d\s:.,TZ+/-]+"
)
_WORD = re.compile(r"[^\W\d_]+")
_TIME = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|now|next|last|this|morning|noon|midnight|evening"
    r"|afternoon|night|date|day|days|week|weeks|month|months|year|years|hour|hours|minutes?"
    r"|o'clock|(?:mon|tues|wednes|thurs|fri|satur|sun)day|jan\w*|feb\w*|mar(?:ch)?|apr\w*|may"
    r"|june?|july?|aug\w*|sep\w*|oct\w*|nov\w*|dec\w*)\b|\d\s*[ap]\.?m\b|\d:\d\d"
)


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Units are converted by numbers that nobody says.
_UNIT = re.compile(
    r"\d\s*(?:[kcm]?m|k?g|mg|[mcd]?l|lbs?|oz|ft|mi|yd|hrs?|h|min|secs?|s|[kmgt]b|[cf])\b"
    r"|\b(?:[kcm]m|kg|mg|lbs?|oz|ft|yd|hrs?|[kmgt]b)\b|\u00b0\s*[cf]\b"
)
# What a sum may be put into words with, and what says nothing by itself.
_FILLING = _set(
    "a an the and or of to by from with in on at for as is are was be it its that this these "
    "those what whats which how much many do does did can could will would should you your i "
    "im me my we us our need want like please thanks thank hey hi hello ok okay just quick "
    "quickly so now then there let lets get gets got give show say tell know find out work "
    "working compute calculate calculation calculated evaluate solve figure answer result "
    "number numbers value equal equals make makes come comes sum total add added adding plus "
    "minus times multiply multiplied multiplying divide divided dividing subtract subtracted "
    "subtracting difference between product quotient remainder modulo mod remains over take "
    "taken away less more together all up down into power raised raise square squared root "
    "roots cube cubed half halve double doubled twice triple thrice third quarter percent per "
    "percentage cent off average mean median exactly exact approximately about rounded round "
    "second first last next both each every again once after before when if also too point "
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy "
    "eighty ninety hundred thousand million billion dozen sin cos tan sqrt log ln exp pi "
    "expression math maths quickly real fast sir mate dear simply only put them those same question"
)
_LEAST_RELATED = 0.72
_NEARLY = 0.6


@dataclass(frozen=True, slots=True)
class Address:
    """A URL, an e-mail address, a file's name or an identifier."""

    kind: str
    text: str


class Words:
    """What was said.

    Args:
        message: The text.
        history: What was said before, by both sides.
    """

    def __init__(self, message: str, history: str = "") -> None:
        self.message = message
        self.history = history
        self._said = _folded(f"{message}\n{history}")
        self._flat = _flat(self._said)

    @cached_property
    def only_arithmetic(self) -> bool:
        """Whether there is nothing in the message but numbers and words of arithmetic."""
        folded = _folded(self.message)
        words = _WORD.findall(folded)
        return not _UNIT.search(folded) and all(w in _FILLING or len(w) < 3 for w in words)

    @cached_property
    def speak_of_time(self) -> bool:
        """Whether the message speaks of a time or a date."""
        return _TIME.search(_folded(self.message)) is not None

    @cached_property
    def addresses(self) -> list[Address]:
        """What has to be copied to the letter."""
        pieces = (piece.rstrip(".:!?/") for piece in _PIECE.findall(self.message))
        found = (_address(piece) for piece in pieces if len(piece) <= _LONGEST_PIECE)
        return [address for address in found if address][:_MOST_COMPARED]

    @cached_property
    def quotes(self) -> list[str]:
        """What stands in quotation marks."""
        found = [double or single for double, single in _QUOTE.findall(self.message)]
        return found[:_MOST_COMPARED]

    def has(self, text: str) -> bool:
        """Whether a text was said, but for case, accents, spaces and punctuation."""
        text = re.sub(r"^https?://(?:www\.)?", "", _folded(text))
        return _flat(text) in self._flat

    def stands_alone(self, text: str) -> bool:
        """Whether a text stands in the message by itself, not only within a longer word."""
        return re.search(rf"(?<!\w){re.escape(text)}(?!\w)", self.message) is not None

    def as_said(self, text: str) -> str:
        """A text as it was said, if it is an address that was, but for case and punctuation."""
        if text in self.message:
            return text
        flat = _flat(_folded(text))
        return next((one.text for one in self.addresses if _flat(_folded(one.text)) == flat), text)

    def has_digits(self, number: str) -> bool:
        """Whether a long number was said, however its digits were grouped."""
        digits = re.sub(r"\D", "", number)
        if not 4 <= len(digits) <= _LONGEST_NUMBER:
            return False
        return bool(re.search(rf"(?<!\d){_BETWEEN_DIGITS.join(digits)}(?!\d)", self._said))

    def read_on(self, text: str, quotes: Sequence[str]) -> str:
        """A text that was said, together with that of the quotations that follows it at once."""
        before = re.escape(text.strip())
        for quote in quotes if before else ():
            whole = rf"(?<!\w){before}\s+[^\w\s]{re.escape(quote)}[^\w\s]"
            if found := re.search(whole, self.message, re.IGNORECASE):
                return found[0]
        return text

    def nearly(self, text: str, quote: str) -> bool:
        """Whether a text is a bad copy of a quotation."""
        ours, theirs = _flat(_folded(text))[:400], _flat(_folded(quote))
        return SequenceMatcher(None, ours, theirs, autojunk=False).ratio() >= _NEARLY

    def comparable(self, text: str) -> bool:
        """Whether a text has to have something to do with what was said."""
        if _CODE.fullmatch(text.strip()) or not self._latin:
            return False
        return any(len(word) > 2 and word not in _FILLING for word in _WORD.findall(_folded(text)))

    def related(self, text: str) -> bool:
        """Whether a text shares a word, or a number, with what was said."""
        if self.has(text):
            return True
        words = [word for word in _WORD.findall(_folded(text)) if word not in _FILLING]
        if any(self._knows(word) for word in words[:_MOST_COMPARED] if len(word) > 2):
            return True
        said = numbers_said(self.message)
        return any(said.explain(forms) for _, forms in numbers_in(text))

    @cached_property
    def _vocabulary(self) -> list[str]:
        return sorted({word for word in _WORD.findall(self._said) if len(word) > 2} - _FILLING)

    @cached_property
    def _latin(self) -> bool:
        letters = [character for character in self._said if character.isalpha()]
        return 2 * sum(character.isascii() for character in letters) >= len(letters)

    def _knows(self, word: str) -> bool:
        if word in self._flat and len(word) > 3:
            return True
        return any(_alike(word, other) for other in self._vocabulary)


def _alike(word: str, other: str) -> bool:
    if word == other or (min(len(word), len(other)) > 3 and word[:4] == other[:4]):
        return True
    if word[0] != other[0] or max(len(word), len(other)) > 40:
        return False
    return SequenceMatcher(None, word, other, autojunk=False).ratio() >= _LEAST_RELATED


def _address(piece: str) -> Address | None:
    if _EMAIL.fullmatch(piece):
        return Address("email", piece)
    if any(form.fullmatch(piece) for form in (_URL, _FILE_OR_HOST, _IDENTIFIER)):
        return Address("address", piece)
    return None


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _flat(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)
