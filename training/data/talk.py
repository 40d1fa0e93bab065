"""Plain exchanges: small talk, questions about the lab, echoes, and what is beyond lab-mini."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.data import calculator, lookup, smalltalk
from training.data.corpus import blocks, drawn
from training.data.facts import FACTS
from training.data.invented import draw as draw_call
from training.data.phrasing import Source, polish
from training.data.rough import roughened
from training.data.slots import Slots
from training.data.words import Words

_FRAMES = (
    ("{x}",) * 12
    + (
        "Can you tell me: {x}",
        "I have a question: {x}",
        "Please tell me, {x}",
        "One more question: {x}",
    )
    + ("I am new here. {x}", "Sorry to bother you, {x}", "Quick question: {x}", "So, {x}")
)


@dataclass(frozen=True)
class Exchange:
    """A message, its answer, and the turns before.

    Attributes:
        kind: What is practised.
        message: The user's words.
        answer: What lab-mini says.
        history: Earlier turns, as (user, assistant).
    """

    kind: str
    message: str
    answer: str
    history: tuple[tuple[str, str], ...] = ()


def draw(source: Source, words: Words) -> Exchange:
    """Something that words alone can answer."""
    makers: tuple[tuple[float, Callable[[Source, Words], Exchange]], ...] = (
        (3.0, small_talk),
        (1.5, _first),
        (9.0, fact),
        (1.2, _performance),
        (1.2, _echo),
        (0.8, _naming),
        (1.6, unable),
    )
    (make,) = source.rng.choices([maker for _, maker in makers], [weight for weight, _ in makers])
    return make(source, words)


def fact(source: Source, words: Words) -> Exchange:
    """A question about LLM Lab."""
    answer, questions = source.rng.choice(FACTS)
    question = source.phrase(questions)
    frame = source.rng.choice(_FRAMES)
    return Exchange("fact", polish(source, frame.replace("{x}", question)), answer)


def unable(source: Source, words: Words) -> Exchange:
    """A request that is too hard for lab-mini."""
    if source.chance(0.75):
        message = _said(source, words, drawn(source.rng, "talk/beyond*.txt").lines)
    else:
        slots = {"t": words.topic(), "k": words.topic(), "p": words.place()}
        message = source.phrase(smalltalk.UNABLE, slots)
    return Exchange("honest", polish(source, message), smalltalk.UNKNOWN)


def knowledge(source: Source, words: Words) -> str:
    """A question about the world, which lab-mini cannot answer without a search."""
    return polish(source, _said(source, words, blocks("talk/knowledge.txt")[0].lines))


def beyond(source: Source, words: Words) -> Exchange:
    """A request that would need a tool, in a place where there is none."""
    makers: tuple[Callable[[], tuple[str, str]], ...] = (
        lambda: (lookup.knowledge(source, words), smalltalk.UNKNOWN),
        lambda: (knowledge(source, words), smalltalk.UNKNOWN),
        lambda: (unable(source, words).message, smalltalk.UNKNOWN),
        lambda: (calculator.request(source)[0], smalltalk.NO_SUMS),
        lambda: (lookup.search(source, words)[0], smalltalk.NO_WEB),
        lambda: (lookup.browse(source, words)[0], smalltalk.NO_WEB),
        lambda: (lookup.clock(source, with_zone=True)[0], smalltalk.NO_CLOCK),
        lambda: (draw_call(source, words).message, smalltalk.NO_ACTION),
    )
    message, answer = source.rng.choice(makers)()
    return Exchange("honest", message, answer)


def some_history(source: Source, words: Words) -> tuple[tuple[str, str], ...]:
    """One or two earlier exchanges about other things."""
    count = source.rng.choice((1, 1, 2))
    exchanges = [source.rng.choice((small_talk, fact))(source, words) for _ in range(count)]
    return tuple((exchange.message, exchange.answer) for exchange in exchanges)


def small_talk(source: Source, words: Words) -> Exchange:
    """A greeting, a mood, a thank-you and the like."""
    if source.chance(0.6):
        block = source.rng.choice(blocks("talk/small*.txt"))
        answer, message = block.head, _said(source, words, block.lines)
    else:
        answer, messages = source.rng.choice(smalltalk.TALK)
        message = source.phrase(messages)
    if source.chance(0.6):
        message = message[:1].upper() + message[1:]
    if source.chance(0.15) and message[-1].isalpha():
        message += source.rng.choice("!.")
    return Exchange("talk", message, answer)


def _first(source: Source, words: Words) -> Exchange:
    """What a newcomer types first, in few words; it has to be right, so none is held out."""
    block = source.rng.choice(blocks("talk/first.txt"))
    message = source.rng.choice(block.lines)
    if source.chance(0.3):
        message = message[:1].upper() + message[1:]
    return Exchange("talk", message, block.head)


def _said(source: Source, words: Words, lines: Sequence[str]) -> str:
    """One of the corpus's wordings, filled."""
    return Slots(source, words).said(roughened(source, source.phrase(lines)))


def _performance(source: Source, words: Words) -> Exchange:
    requests, works = source.rng.choice(
        (
            (smalltalk.JOKE_REQUESTS, smalltalk.JOKES),
            (smalltalk.STORY_REQUESTS, smalltalk.STORIES),
            (smalltalk.POEM_REQUESTS, smalltalk.POEMS),
        )
    )
    message = polish(source, source.phrase(requests, {"t": words.topic()}))
    work, other = source.rng.sample(works, 2)
    if source.chance(0.8):
        return Exchange("talk", message, work)
    more = polish(source, source.phrase(smalltalk.MORE_REQUESTS))
    return Exchange("talk", more, other, ((message, work),))


def _echo(source: Source, words: Words) -> Exchange:
    makers: tuple[Callable[[], str], ...] = (words.word, words.word, words.topic, words.sentence)
    said = source.rng.choice(makers)()
    if source.chance(0.2):
        said = said.upper() if source.chance(0.3) else said.capitalize()
    message = source.phrase(smalltalk.ECHO_REQUESTS, {"x": said})
    if source.chance(0.5):
        message = message[:1].upper() + message[1:]
    return Exchange("echo", message, said)


def _naming(source: Source, words: Words) -> Exchange:
    name = words.name()
    naming = polish(source, source.phrase(smalltalk.NAMING, {"n": name})).removesuffix(" :)")
    welcome = f"Hello {name}! How can I help you?"
    if source.chance(0.3):
        return Exchange("talk", naming, welcome)
    between = some_history(source, words)[:1] if source.chance(0.5) else ()
    question = polish(source, source.phrase(smalltalk.NAME_QUESTIONS))
    return Exchange("memory", question, f"Your name is {name}.", ((naming, welcome), *between))
