"""Pages and search results about invented things, and questions that one sentence answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from training.data.corpus import Block, blocks
from training.data.lists import listed
from training.data.numbers import Number
from training.data.phrasing import Source, fill
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
_MONTHS = listed("months")
_ALSO = (" and ", " and ", ", and ", "? And ", "? ", "? Also, ", ", also ", "; ")
# Sentences of a page that is quoted from end to end, rather than searched.
QUOTED_WHOLE = 2


@dataclass(frozen=True)
class Page:
    """What a tool gave.

    Attributes:
        question: What is asked; one thing, or two.
        text: The page or the results.
        answer: The sentences of it that answer, as they are asked for; of a short page, all of it.
    """

    question: str
    text: str
    answer: str


@dataclass(frozen=True)
class _Fact:
    questions: tuple[str, ...]
    statements: tuple[str, ...]


def question_page(source: Source, words: Words, *, results: bool, filler: int = 0) -> Page:
    """A question, and a page (or search results) of which a sentence or two answer it.

    Args:
        source: Of every choice.
        words: Of texts.
        results: Whether it is a list of search results.
        filler: Number of sentences about other things.
    """
    block = source.rng.choice(blocks("pages/*.txt"))
    name = _entity(source, words, block)
    facts = _facts(block)
    count = min(len(facts), source.rng.choice((1, 2, 3, 3, 4, 5)))
    chosen = source.rng.sample(facts, count)
    wanted = chosen[0]
    # Among other things, "it" could be any of them.
    by_name = filler > 0
    sentences = [_stated(source, words, fact, name, by_name=by_name) for fact in chosen]
    # Two things may be asked for at once.
    both = count > 1 and source.chance(0.25)
    answer = " ".join(sentences[: 1 + both])
    asked = source.phrase_whole(wanted.questions)
    also = source.phrase_whole(chosen[1].questions) if both else ""
    rival = _entity(source, words, block)
    # A question that names nothing has one page only that can answer it.
    if "{e}" in asked and rival != name and source.chance(0.4):
        # The same property of something else has to be passed over; "It" could be either.
        other = _stated(source, words, wanted, rival)
        if name in sentences[0] and rival in other:
            sentences.append(other)
    if source.chance(0.3):
        sentences.append(words.sentence())
    others = [other for other in blocks("pages/*.txt") if other.head != block.head]
    for _ in range(filler):
        other = source.rng.choice(others)
        fact = source.rng.choice(_facts(other))
        entity = _entity(source, words, other)
        sentences.append(_stated(source, words, fact, entity, by_name=True))
    source.rng.shuffle(sentences)
    if len(sentences) <= QUOTED_WHOLE:
        answer = " ".join(sentences)
    question = fill(source.choose(asked), {"e": name})
    if also:
        question = _both_asked(source, question, fill(source.choose(also), {"e": name}), name)
    layout = _results if results else _text
    return Page(question, layout(source, words, sentences, name), answer)


def question(source: Source, words: Words) -> str:
    """A question that some page answers."""
    block = source.rng.choice(blocks("pages/*.txt"))
    asked = source.phrase_whole(source.rng.choice(_facts(block)).questions)
    return fill(source.choose(asked), {"e": _entity(source, words, block)})


def _both_asked(source: Source, first: str, second: str, name: str) -> str:
    """Two questions as one; the second may call the thing `it`."""
    if source.chance(0.5):
        second = second.replace(f"{name}'s", "its").replace(name, "it")
    return first.rstrip("?. ") + source.rng.choice(_ALSO) + second


@cache
def _facts(block: Block) -> list[_Fact]:
    facts = []
    lines = [line for line in block.lines if not line.startswith("! ")]
    for asked, stated in zip(lines[::2], lines[1::2], strict=True):
        questions, statements = (tuple(line[2:].split(" | ")) for line in (asked, stated))
        facts.append(_Fact(questions, statements))
    return facts


def _stated(source: Source, words: Words, fact: _Fact, name: str, *, by_name: bool = False) -> str:
    slots = page_slots(source, words)
    slots.give("e", Number(name, name))
    named = [text for text in fact.statements if "{e}" in text] if by_name else ()
    text = slots.said(source.choose(source.rng.choice(named or fact.statements)))
    return text[:1].upper() + text[1:]


def page_slots(source: Source, words: Words) -> Slots:
    """Slots with the kinds of values that pages have beside those of requests."""
    rng = source.rng
    slots = Slots(source, words)
    for slot, value in {
        "made": words.made_up().capitalize(),
        "zip": str(rng.randint(10000, 99999)),
        "job": rng.choice(_JOBS),
        "prog": rng.choice(_LANGUAGES),
        "company": _company(source, words),
        "hundred": str(rng.randint(100, 999)),
        "clock": _clock(source),
        "day": _day(source),
        "adj": words.adjective(),
        # Neither "today" nor "tomorrow", as in requests.
        "weekday": rng.choice(listed("weekdays")),
        "cost": _cost(source),
        # In digits, so that they may stand in "3.12".
        "m": str(rng.randint(2, 40)),
        "k": str(rng.randint(2, 9)),
        "k.2": str(rng.randint(0, 9)),
        "score": f"{rng.randint(0, 9)}{rng.choice('-:')}{rng.randint(0, 9)}",
    }.items():
        slots.give(slot, Number(value, value))
    return slots


def _clock(source: Source) -> str:
    rng = source.rng
    hour = rng.randint(1, 12)
    forms = (f"{hour} {rng.choice(('am', 'pm'))}", f"{hour}:{rng.choice(('15', '30', '45'))} pm")
    return rng.choice((*forms, f"{hour + 11}:{rng.randint(0, 59):02d}", f"{hour} o'clock"))


def _day(source: Source) -> str:
    rng = source.rng
    day, month, year = rng.randint(1, 28), rng.choice(_MONTHS), rng.randint(2024, 2031)
    return rng.choice((f"{day} {month}", f"{month} {day}, {year}", f"{day} {month} {year}"))


def _cost(source: Source) -> str:
    rng = source.rng
    amount = rng.choice((str(rng.randint(2, 999)), f"{rng.randint(1, 9999):,}"))
    cents = f"{rng.randint(1, 99)}.{rng.choice(('50', '90', '99', '20'))}"
    forms = (f"${amount}", f"€{cents}", f"{cents} euros", f"{amount} dollars", f"£{amount}")
    return rng.choice(forms)


def _entity(source: Source, words: Words, block: Block) -> str:
    """The name of something of a block's kind: by its `!` lines, or else by its head."""
    lines = [line[2:] for line in block.lines if line.startswith("! ")]
    names = [name for line in lines for name in line.split(" | ")]
    if names:
        return page_slots(source, words).said(source.choose(source.rng.choice(names)))
    return _named(source, words, block.head)


def _named(source: Source, words: Words, kind: str) -> str:
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
