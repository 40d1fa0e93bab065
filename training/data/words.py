"""Words to copy: topics, names, places and made-up words."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from training.data.corpus import blocks
from training.data.lists import listed

NOUNS = listed("nouns")
ADJECTIVES = listed("adjectives")
NAMES = listed("names")
SURNAMES = listed("surnames")
CITIES = listed("cities")
COUNTRIES = listed("countries")
_ONSETS = listed("onsets")
_VOWELS = listed("vowels")
_CODAS = listed("codas")
_MARKED = ("aáäåãâ", "eéèêë", "iíï", "oóöøô", "uúüû")


@dataclass(frozen=True)
class Words:
    """Draws words and topics; the wider the choice, the better a small model learns to copy.

    Attributes:
        rng: Seeded source of every choice.
        pieces: Word pieces of the tokenizer, drawn uniformly so that rare ones are practised.
    """

    rng: random.Random
    pieces: Sequence[str] = field(default=())

    def word(self) -> str:
        """A noun, a made-up word, or pieces of the tokenizer strung together."""
        draw = self.rng.random()
        if draw < 0.55:
            return self.rng.choice(NOUNS)
        if draw < 0.75 or not self.pieces:
            return self.made_up()
        return "".join(self.rng.choice(self.pieces) for _ in range(self.rng.randint(1, 2)))

    def made_up(self) -> str:
        """A pronounceable word that is in no dictionary."""
        parts = []
        for _ in range(self.rng.randint(1, 3)):
            parts += [self.rng.choice(_ONSETS), self.rng.choice(_VOWELS)]
            if self.rng.random() < 0.4:
                parts.append(self.rng.choice(_CODAS))
        text = "".join(parts)
        return text if self.rng.random() > 0.06 else self._accented(text)

    def _accented(self, text: str) -> str:
        """A word with marks on some of its vowels, as most languages but English have."""
        marks = dict(zip("aeiou", (self.rng.choice(row) for row in _MARKED), strict=True))
        return "".join(marks.get(letter, letter) for letter in text)

    def name(self) -> str:
        """A first name, or a made-up one."""
        if self.rng.random() < 0.7:
            return self.rng.choice(NAMES)
        return self.made_up().capitalize()

    def place(self) -> str:
        """A city or country, or a made-up one."""
        if self.rng.random() < 0.7:
            return self.rng.choice(CITIES + COUNTRIES)
        return self.made_up().capitalize()

    def adjective(self) -> str:
        """An adjective."""
        return self.rng.choice(ADJECTIVES)

    def plural(self) -> str:
        """A noun in the plural."""
        noun = self.rng.choice(NOUNS)
        if noun.endswith(("s", "sh", "ch", "x")):
            return noun + "es"
        return noun[:-1] + "ies" if noun.endswith(("ry", "ty", "dy", "by")) else noun + "s"

    def topic(self) -> str:
        """A thing to look up, of one to seven words."""
        if self.rng.random() < 0.5:
            return self.rng.choice(_natural("topics"))
        shapes: tuple[Callable[[], str], ...] = (
            self.plural,
            lambda: f"{self.adjective()} {self.plural()}",
            lambda: f"{self.word()} {self.word()}",
            lambda: f"{self.adjective()} {self.word()} {self.word()}",
            lambda: f"{self.adjective()} {self.word()} {self.plural()}",
            lambda: f"{self.word()} {self.word()} {self.word()}",
            lambda: f"{self.plural()} in {self.place()}",
            lambda: f"{self.adjective()} {self.plural()} in {self.place()}",
            lambda: f"{self.plural()} for {self.plural()}",
            lambda: f"the {self.word()} of {self.place()}",
            lambda: f"the {self.adjective()} {self.word()} {self.word()}",
            lambda: f"{self.plural()} and {self.plural()}",
            lambda: f"{self.word()} vs {self.word()}",
            lambda: f"how to {self.rng.choice(_DEEDS)} a {self.word()}",
            lambda: f"{self.rng.choice(NAMES)} {self.rng.choice(SURNAMES)}",
            lambda: f"{self.word()} {self.rng.randint(2, 2030)}",
            lambda: f"{self.made_up().capitalize()} {self.word()}",
            lambda: f"{self.word()}.{self.word()} {self.word()}",
            lambda: f"cheap {self.plural()} to {self.place()}",
            lambda: f"{self.word().capitalize()} {self.word().capitalize()}",
        )
        return self.rng.choice(shapes)()

    def note(self) -> str:
        """A few plain words as people write them down."""
        return self.rng.choice(_natural("texts"))

    def sentence(self) -> str:
        """A plain statement of random content, to be quoted from results."""
        shapes: tuple[Callable[[], str], ...] = (
            lambda: f"The {self.adjective()} {self.word()} is a {self.word()} from {self.place()}.",
            self._history,
            self._need,
            lambda: f"A {self.word()} costs {self.rng.randint(2, 9000)} euros in {self.place()}.",
            lambda: f"All {self.plural()} in {self.place()} are {self.adjective()}.",
            lambda: (
                f"{self.place()} opened its {self.adjective()} {self.word()} to {self.plural()}."
            ),
            lambda: f"The {self.word()} {self.word()} uses a {self.adjective()} {self.word()}.",
            lambda: (
                f"{self.word().capitalize()} {self.word()} for {self.plural()} and {self.plural()}."
            ),
        )
        return self.rng.choice(shapes)()

    def url(self) -> str:
        """A web address: host, and perhaps port, path and query."""
        host = self._host()
        path = self._path()
        if path and self.rng.random() < 0.3:
            path += self.rng.choice(_PATH_ENDS)
        if path and self.rng.random() < 0.22:
            pairs = [self._pair() for _ in range(self.rng.choice((1, 1, 1, 2, 2, 3)))]
            path += "?" + "&".join(pairs)
        if path and self.rng.random() < 0.07:
            path += f"#{self.word()}"
        scheme = self.rng.choice(("https://",) * 5 + ("http://",) * 2 + ("",) * 2)
        return scheme + host + path

    def _pair(self) -> str:
        """A name and value of a query."""
        rng = self.rng
        values = (
            self.word(),
            str(rng.randint(1, 9999)),
            f"{self.word()}+{self.word()}",
            f"{self._degrees()},{self._degrees()}",
            f"%2F{self.word()}",
        )
        name = rng.choice(
            (self.word(), self.word(), *("next", "id", "q", "lang", "page", "sort", "v", "ref"))
        )
        return f"{name}={rng.choices(values, (5, 5, 1, 0.6, 0.6))[0]}"

    def _degrees(self) -> str:
        return f"{self.rng.randint(1, 89)}.{self.rng.randint(1, 9999)}"

    def email(self) -> str:
        """An e-mail address."""
        local = self.rng.choice((self.rng.choice(NAMES).lower(), self.word()))
        return f"{local}@{self.word()}.{self.rng.choice(_TLDS)}"

    def _history(self) -> str:
        person = f"{self.name()} {self.rng.choice(SURNAMES)}"
        return f"{person} built the first {self.word()} in {self.rng.randint(1400, 2026)}."

    def _need(self) -> str:
        needed = f"{self.rng.randint(2, 900)} {self.plural()}"
        return f"{self.plural().capitalize()} need {needed} a {self.rng.choice(_SPANS)}."

    def _host(self) -> str:
        if self.rng.random() < 0.12:
            local = self.rng.choice((self._address(), "localhost", f"{self.word()}.local"))
            return f"{local}:{self.rng.choice((self.rng.randint(80, 9999), *_PORTS))}"
        if self.rng.random() < 0.1:
            return self.rng.choice(_HOSTS)
        start = self.rng.choice(("", "", "", "www.", "docs.", "blog.", "en.", f"{self.word()}."))
        middle = self.rng.choice(
            (self.word(), self.word(), f"{self.word()}-{self.word()}", "example")
        )
        return f"{start}{middle}.{self.rng.choice(_TLDS)}"

    def _address(self) -> str:
        rng = self.rng
        starts = (
            "10.0.0",
            "10.0.1",
            "192.168.0",
            "192.168.1",
            "192.168.178",
            "127.0.0",
            "172.16.0",
        )
        if rng.random() < 0.6:
            return f"{rng.choice(starts)}.{rng.randint(1, 254)}"
        return ".".join(str(rng.randint(1, 254)) for _ in range(4))

    def _path(self) -> str:
        """What stands behind a host; a name may come twice, or a folder that many sites have."""
        rng = self.rng
        segments = [self._segment() for _ in range(rng.choice((0, 0, 1, 1, 2, 2, 3, 4)))]
        if segments and rng.random() < 0.3:
            segments.insert(rng.randint(0, len(segments)), rng.choice(_FOLDERS))
        if segments and rng.random() < 0.1:
            segments.insert(rng.randint(0, len(segments)), rng.choice(segments))
        return "".join(f"/{segment}" for segment in segments)

    def _segment(self) -> str:
        day = f"{self.rng.randint(2015, 2028)}/{self.rng.randint(1, 12):02d}"
        shapes = (
            day,
            f"{self.word().capitalize()}_{self.word()}",
            f"{self.word()}%20{self.word()}",
            f"~{self.word()}",
            self.word(),
            self.word(),
            f"{self.word()}-{self.word()}",
            f"{self.word()}_{self.word()}",
            f"{self.word()}-{self.word()}-{self.word()}",
            self._slug(),
            str(self.rng.randint(1, 2030)),
            f"{self.word()}{self.rng.randint(1, 99)}",
            self.word().capitalize(),
            f"v{self.rng.randint(1, 9)}",
        )
        return self.rng.choice(shapes)

    def _slug(self) -> str:
        """A title, as blogs have it in their addresses."""
        small = (
            "how",
            "to",
            "the",
            "a",
            "of",
            "in",
            "and",
            "why",
            "is",
            "for",
            "with",
            "my",
            "best",
        )
        pick = self.rng.choice
        count = self.rng.randint(4, 8)
        return "-".join(pick((self.word(), self.word(), pick(small))) for _ in range(count))


@cache
def _natural(head: str) -> tuple[str, ...]:
    found = [block.lines for block in blocks("words/*.txt") if block.head == head]
    return tuple(line for lines in found for line in lines)


_SPANS = ("day", "week", "year")
_TLDS = (
    *("com",) * 6,
    *("org",) * 3,
    *(
        "net",
        "io",
        "dev",
        "app",
        "ai",
        "de",
        "eu",
        "fr",
        "nl",
        "ch",
        "it",
        "es",
        "ca",
        "info",
        "edu",
    ),
    *("co.uk", "ac.uk", "org.uk", "sch.uk", "com.br", "com.au", "edu.ng", "gov.in", "co.jp", "gov"),
)
_PORTS = (80, 443, 3000, 5000, 8000, 8080, 8443, 9090, 11434)
_HOSTS = (
    *("github.com", "gitlab.com", "en.wikipedia.org", "www.wikipedia.org", "www.bbc.co.uk"),
    *("news.ycombinator.com", "docs.python.org", "stackoverflow.com", "arxiv.org", "nas.home"),
    *("www.spiegel.de", "www.nytimes.com", "huggingface.co", "docs.rs", "router.lan", "fritz.box"),
)
_FOLDERS = (
    *("-", "-/blob/main", "blob/main", "wiki", "api", "api/v1", "docs", "en", "news", "blog"),
    *("index", "latest", "results", "shop", "users", "posts", "tags", "login", "search", "html"),
)
_PATH_ENDS = (
    *(".html", ".htm", ".php", ".txt", ".pdf", ".json", ".md", ".xml", "/README.md"),
    *("/", "/", "/", "/index.html"),
)
_DEEDS = listed("deeds")
