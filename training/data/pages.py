"""Pages and search results about invented things, and questions that one sentence answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from training.data.corpus import Block, blocks
from training.data.numbers import Number
from training.data.phrasing import Source
from training.data.slots import Slots
from training.data.words import SURNAMES, Words

_JOBS = (
    *("baker", "nurse", "teacher", "pilot", "gardener", "lawyer", "sailor", "carpenter"),
    *("painter", "singer", "judge", "chemist", "farmer", "writer", "engineer", "doctor"),
)
_LANGUAGES = ("Python", "Rust", "C++", "Go", "Java", "TypeScript", "Kotlin", "Zig", "Haskell")
_FIRMS = ("Ltd", "Inc", "GmbH", "Group", "Systems", "Foods", "Motors", "Works", "Labs", "& Sons")
_VENUES = ("museum", "library", "zoo", "pool", "theatre", "gallery", "tower", "castle", "cafe")
_EVENTS = ("festival", "marathon", "conference", "fair", "cup", "contest", "concert", "summit")
_DISHES = ("cake", "soup", "pie", "salad", "stew", "curry", "bread", "casserole", "risotto")
_SPECIES = ("fox", "lily", "owl", "frog", "fern", "beetle", "turtle", "orchid", "bat", "cactus")


@dataclass(frozen=True)
class Page:
    """What a tool gave.

    Attributes:
        question: What is asked.
        text: The page or the results.
        answer: The sentence of it that answers.
    """

    question: str
    text: str
    answer: str


@dataclass(frozen=True)
class _Fact:
    questions: tuple[str, ...]
    statements: tuple[str, ...]


def question_page(source: Source, words: Words, *, results: bool, filler: int = 0) -> Page:
    """A question, and a page (or search results) of which one sentence answers it.

    Args:
        source: Of every choice.
        words: Of texts.
        results: Whether it is a list of search results.
        filler: Number of sentences about other things.
    """
    block = source.rng.choice(blocks("pages/*.txt"))
    name = _entity(source, words, block.head)
    facts = _facts(block)
    count = min(len(facts), source.rng.choice((1, 2, 3, 3, 4, 5)))
    chosen = source.rng.sample(facts, count)
    wanted = chosen[0]
    sentences = [_stated(source, words, fact, name) for fact in chosen]
    answer = sentences[0]
    if source.chance(0.4):
        # The same property of something else has to be passed over.
        sentences.append(_stated(source, words, wanted, _entity(source, words, block.head)))
    if source.chance(0.3):
        sentences.append(words.sentence())
    for _ in range(filler):
        other = source.rng.choice(blocks("pages/*.txt"))
        fact = source.rng.choice(_facts(other))
        sentences.append(_stated(source, words, fact, _entity(source, words, other.head)))
    source.rng.shuffle(sentences)
    question = source.phrase(wanted.questions, {"e": name})
    layout = _results if results else _text
    return Page(question, layout(source, words, sentences, name), answer)


@cache
def _facts(block: Block) -> list[_Fact]:
    facts = []
    for asked, stated in zip(block.lines[::2], block.lines[1::2], strict=True):
        questions, statements = (tuple(line[2:].split(" | ")) for line in (asked, stated))
        facts.append(_Fact(questions, statements))
    return facts


def _stated(source: Source, words: Words, fact: _Fact, name: str) -> str:
    slots = Slots(source, words)
    for slot, value in {
        "e": name,
        "made": words.made_up().capitalize(),
        "zip": str(source.rng.randint(10000, 99999)),
        "job": source.rng.choice(_JOBS),
        "prog": source.rng.choice(_LANGUAGES),
        "company": _company(source, words),
    }.items():
        slots.give(slot, Number(value, value))
    text = slots.said(source.rng.choice(fact.statements))
    return text[:1].upper() + text[1:]


def _entity(source: Source, words: Words, kind: str) -> str:
    rng = source.rng
    made = words.made_up().capitalize()
    makers: dict[str, Callable[[], str]] = {
        "company": lambda: _company(source, words),
        "town": lambda: rng.choice((words.place(), made)),
        "person": lambda: f"{words.name()} {rng.choice(SURNAMES)}",
        "product": lambda: f"the {made} {rng.choice((words.word(), str(rng.randint(2, 900))))}",
        "venue": lambda: f"the {rng.choice((made, words.word()))} {rng.choice(_VENUES)}",
        "event": lambda: f"the {rng.choice((made, words.place()))} {rng.choice(_EVENTS)}",
        "species": lambda: f"the {rng.choice((made, words.adjective()))} {rng.choice(_SPECIES)}",
        "work": lambda: f'"The {words.adjective().capitalize()} {words.word().capitalize()}"',
        "dish": lambda: f"{rng.choice((words.word(), words.name()))} {rng.choice(_DISHES)}",
        "software": lambda: rng.choice((made, f"{words.word()}-{words.word()}", words.word())),
        "route": lambda: f"{words.place()} to {words.place()}",
    }
    return makers[kind]()


def _company(source: Source, words: Words) -> str:
    return f"{words.made_up().capitalize()} {source.rng.choice(_FIRMS)}"


def _text(source: Source, words: Words, sentences: list[str], name: str) -> str:
    title = name[:1].upper() + name[1:]
    body = source.rng.choice((" ", " ", "\n")).join(sentences)
    return source.rng.choice((body, f"{title}\n{body}", f"{title} - {words.topic()}\n{body}"))


def _results(source: Source, words: Words, sentences: list[str], name: str) -> str:
    forms: tuple[Callable[[], str], ...] = (
        lambda: "\n".join(f"- {text}" for text in sentences),
        lambda: "\n".join(f"{i}. {text}" for i, text in enumerate(sentences, 1)),
        lambda: "\n".join(f"{words.url()}: {text}" for text in sentences),
        lambda: "\n".join(f"{name} ({words.url()})\n{text}" for text in sentences),
        lambda: json.dumps(
            [{"title": name, "url": words.url(), "snippet": text} for text in sentences],
            ensure_ascii=False,
        ),
        lambda: _text(source, words, sentences, name),
    )
    return source.rng.choice(forms)()
