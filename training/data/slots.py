"""Values for the slots of the corpus: what is said in a request, and what a plan writes."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from functools import cached_property

from training.data.corpus import blocks
from training.data.lists import listed
from training.data.numbers import Number, Numbers
from training.data.phrasing import Source
from training.data.words import CITIES, SURNAMES, Words

SLOT = re.compile(r"\{([a-zA-Z_]+(?:\.\w+)?)\}")
# Beside these a number is written in digits: "$12", "12%", "12km", "-12".
_TIGHT = "$€£¥%*/+-^=#"
_COMMANDS = ("ls -la", "git status", "df -h", "uptime", "make test", "docker ps", "whoami")
_MONTHS = listed("months")
# "on {weekday}" where the day has no name of its own.
_ON = re.compile(r"\b([Oo])n t(?=(?:omorrow|oday)\b)")


class Slots:
    """Draws a value for each slot once, so that the same slot is the same value.

    Args:
        source: Of every choice.
        words: Of texts.
        kinds: Kind (or numeric range) of slots that have another than their name says.
    """

    def __init__(
        self, source: Source, words: Words, kinds: Mapping[str, str] | None = None
    ) -> None:
        self._source = source
        self._words = words
        self._kinds = kinds or {}
        self._drawn: dict[str, Number] = {}

    def value(self, slot: str) -> Number:
        """The value of a slot: as it is said, and as a plan writes it.

        Raises:
            KeyError: There is no such kind of slot.
        """
        if slot not in self._drawn:
            base = slot.partition(".")[0]
            self._drawn[slot] = self._draw(self._kinds.get(slot, self._kinds.get(base, base)))
        return self._drawn[slot]

    def give(self, slot: str, value: Number) -> None:
        """Sets a slot's value."""
        self._drawn[slot] = value

    def said(self, template: str) -> str:
        """Fills a wording."""
        return _natural(SLOT.sub(lambda match: self._said(template, match), template))

    def written(self, template: str) -> str:
        """Fills a part of a plan."""
        return _natural(SLOT.sub(lambda match: self.value(match[1]).written, template))

    def _said(self, template: str, match: re.Match[str]) -> str:
        value = self.value(match[1])
        before = template[match.start() - 1 : match.start()]
        after = template[match.end() : match.end() + 1]
        tight = any(c.isalnum() or c in _TIGHT for c in before + after)
        return value.written if tight and any(map(str.isalpha, value.said)) else value.said

    def _draw(self, kind: str) -> Number:
        low, dots, high = kind.partition("..")
        if dots and "." in low:
            return self._numbers.scaled(low, high)
        if dots:
            return self._numbers.between(int(low), int(high))
        makers: dict[str, Callable[[], Number]] = self._makers
        return makers[kind]()

    @cached_property
    def _numbers(self) -> Numbers:
        return Numbers(self._source.rng)

    @cached_property
    def _makers(self) -> dict[str, Callable[[], Number]]:
        rng, numbers = self._source.rng, self._numbers
        texts = text_makers(self._source, self._words)
        makers = {kind: _plainly(make) for kind, make in texts.items()}
        makers |= dict.fromkeys("abcde", numbers.any)
        makers |= dict.fromkeys("nmk", lambda: numbers.between(2, 40))
        makers |= dict.fromkeys("pr", numbers.percentage)
        makers |= {
            "any": numbers.any,
            "price": numbers.price,
            "money": numbers.price,
            "big": lambda: numbers.between(1000, 999_999),
            "dec": numbers.decimal,
            "decimal": numbers.decimal,
            "integer": lambda: numbers.between(1, 10 ** rng.randint(1, 4)),
            "int": numbers.integer,
            "number": lambda: numbers.price() if rng.random() < 0.5 else numbers.between(1, 9999),
            "year": lambda: _same(str(rng.randint(1900, 2080))),
            "date": lambda: _date(rng),
            "time": lambda: _time(rng),
        }
        return makers


def text_makers(source: Source, words: Words) -> dict[str, Callable[[], str]]:
    """What draws a text of each kind."""
    rng = source.rng
    return {
        "who": words.name,
        "name": words.name,
        "person": lambda: f"{words.name()} {rng.choice(SURNAMES)}",
        "place": words.place,
        "city": lambda: rng.choice(CITIES) if rng.random() < 0.8 else words.place(),
        "topic": words.topic,
        "thing": words.plural,
        "word": words.word,
        "text": lambda: free_text(source, words),
        "sentence": words.sentence,
        "url": words.url,
        "email": words.email,
        "path": lambda: path(source, words),
        "file": lambda: f"{words.word()}.{rng.choice(listed('extensions'))}",
        "host": lambda: rng.choice((f"{words.word()}.local", f"{words.word()}{rng.randint(1, 9)}")),
        "code": lambda: code(source, words),
        "color": lambda: rng.choice(listed("colors")),
        "weekday": lambda: rng.choice(listed("days")),
        "month": lambda: rng.choice(_MONTHS),
        "language": lambda: rng.choice(listed("languages")),
        "currency": lambda: rng.choice(listed("currencies")),
        "phone": lambda: _phone(source),
        "command": lambda: rng.choice((*_COMMANDS, f"{words.word()} --{words.word()}")),
        "on_off": lambda: rng.choice(("on", "off")),
    }


def zone(source: Source) -> tuple[str, str]:
    """A time zone, and a place that lies in it."""
    zones = blocks("zones.txt")
    # Zones with many places in them are asked for most, and of these the city that comes first.
    (block,) = source.rng.choices(zones, [len(one.lines) for one in zones])
    place = block.lines[0] if source.chance(0.35) else source.rng.choice(block.lines)
    return block.head, place


def _date(rng: random.Random) -> Number:
    """A date, in a tool's form or in words."""
    year, month, day = rng.randint(2025, 2031), rng.randint(1, 12), rng.randint(1, 28)
    written = f"{year}-{month:02d}-{day:02d}"
    name = _MONTHS[month - 1]
    words = (f"{day} {name} {year}", f"{name} {day}, {year}", f"{day} {name[:3]} {year}")
    return Number(rng.choice(words) if rng.random() < 0.25 else written, written)


def _time(rng: random.Random) -> Number:
    """A time of day, in a tool's form or as people write it."""
    hour, minute = rng.randint(0, 23), rng.choice((0, 0, 15, 30, 45, 5))
    written = f"{hour:02d}:{minute:02d}"
    half = f"{(hour - 1) % 12 + 1}{f':{minute:02d}' if minute else ''}"
    afternoon = "pm" if hour >= 12 else "am"
    shapes = (f"{hour}:{minute:02d}", f"{half} {afternoon}", f"{half}{afternoon}")
    return Number(rng.choice(shapes) if rng.random() < 0.3 else written, written)


def free_text(source: Source, words: Words) -> str:
    """A few words, as a note, a title or a message has them."""
    rng = source.rng
    shapes: tuple[Callable[[], str], ...] = (
        words.topic,
        *[words.note] * 10,
        lambda: f"{words.name()} {rng.choice(('needs', 'likes', 'has', 'sold'))} {words.topic()}",
        lambda: f"the {words.word()} is {rng.choice(('late', 'broken', 'ready', 'done'))}",
        lambda: f"{words.word()} at {rng.randint(1, 12)}",
        lambda: f"{words.word()} {words.word()} {words.word()}",
        lambda: words.word().capitalize() + " " + words.word(),
        lambda: f"{rng.choice(('call', 'meet', 'ask', 'pay', 'visit'))} {words.name()}",
        lambda: f"{rng.choice(('buy', 'fix', 'clean', 'move', 'return'))} the {words.word()}",
        lambda: f"{words.name()} and {words.name()} {rng.choice(('meet', 'moved', 'agree'))}",
        lambda: (
            f"we will be {rng.choice(('late', 'there soon', 'back at', 'ready by'))} "
            f"{rng.randint(1, 12)}"
        ),
        lambda: f"{words.adjective()} {words.word()} for {words.name()}",
    )
    return rng.choice(shapes)()


def path(source: Source, words: Words) -> str:
    """A file's path."""
    rng = source.rng
    file = f"{words.word()}.{rng.choice(listed('extensions'))}"
    folders = ("", "", f"{words.word()}/", f"/{words.word()}/{words.word()}/", "~/", "/etc/", "./")
    return rng.choice(folders) + file


def code(source: Source, words: Words) -> str:
    """A number or name of an order, a ticket, a machine."""
    rng = source.rng
    letters = "".join(rng.choice("ABCDEFGHKLMNPRSTUVWXYZ") for _ in range(rng.randint(2, 4)))
    digits = str(rng.randint(1, 99999))
    return rng.choice((letters, f"{letters}-{digits}", letters + digits, digits, words.word()))


def _phone(source: Source) -> str:
    rng = source.rng
    parts = (f"0{rng.randint(10, 999)}", str(rng.randint(1000, 9_999_999)))
    return rng.choice((" ", "-", "/", "")).join(parts)


def _plainly(make: Callable[[], str]) -> Callable[[], Number]:
    return lambda: _same(make())


def _same(text: str) -> Number:
    return Number(text, text)


def _natural(text: str) -> str:
    return _ON.sub(lambda match: "T" if match[1] == "O" else "t", text)
