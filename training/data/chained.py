"""Plans of two and three steps, where later ones may use what earlier ones gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from training.data import calculator, lookup
from training.data.numbers import Numbers
from training.data.phrasing import Source, polish
from training.data.sample import Request, Step
from training.data.words import Words

SUMMARISE = Step(None, {}, "Summarise the result.")
EXPLAIN = Step(None, {}, "Explain the result.")
TRANSLATE = Step(None, {}, "Translate the result.")
WRITE = Step(None, {}, "Write about the result.")

_JOINTS = (
    "{x} and {y}",
    "{x}, and {y}",
    "{x} and then {y}",
    "{x}, then {y}",
    "{x}. Then {y}",
    "{x}. After that, {y}",
    "{x}, after that {y}",
    "{x} and also {y}",
    "{x}. Also {y}",
    "{x}, also {y}",
    "{x} and afterwards {y}",
    "{x}. Next, {y}",
    "{x}; {y}",
    "{x}. {Y}",
    "{x} plus {y}",
    "first {x}, then {y}",
    "first {x}. Second, {y}",
    "firstly {x} and secondly {y}",
    "1. {x} 2. {y}",
    "1) {x} 2) {y}",
    "{x} as well as {y}",
    "two things: {x}, and {y}",
    "I need two things: {x} and {y}",
    "both please: {x}; {y}",
    "{x}, and while you are at it, {y}",
    "{x}, and when you are done, {y}",
    "{x}. When that is done, {y}",
    "{x}. I also want you to {y}",
    "{x}. And could you {y}?",
    "{x}, next {y}",
    "before you {y}, {x}",
    "{x}? {Y}",
    "{x}? And {y}",
    "{x}? Also {y}",
    "{x}! And {y}",
    "{x} - and {y}",
    "{x} & {y}",
    "{x}\n{Y}",
)
_TRIPLES = (
    "{x}, {y} and {z}",
    "{x}, {y}, and {z}",
    "{x}, then {y}, then {z}",
    "first {x}, then {y}, finally {z}",
    "{x}. Then {y}. Finally {z}",
    "{x} and then {y} and then {z}",
    "1. {x} 2. {y} 3. {z}",
    "three things: {x}, {y}, {z}",
    "{x}, after that {y}, and last {z}",
    "{x}; {y}; {z}",
    "{x}, then {y} and in the end {z}",
)
_MORE = (
    (
        "{{1}} + {a}",
        (
            "add {a}",
            "add {a} to it",
            "add {a} to [that|the result|the answer]",
            "add another {a}",
            "plus {a}",
            "put {a} on top",
            "increase [it|the result|that] by {a}",
        ),
    ),
    (
        "{{1}} - {a}",
        (
            "subtract {a}",
            "subtract {a} from [it|that|the result]",
            "take away {a}",
            "take {a} off [it|that|the result]",
            "take {a} away",
            "minus {a}",
            "reduce [it|that] by {a}",
            "deduct {a}",
        ),
    ),
    (
        "{{1}} * {a}",
        (
            "multiply by {a}",
            "multiply [it|that|the result|the answer] by {a}",
            "multiply the [outcome|sum|total] by {a}",
            "times {a}",
            "take [it|that] times {a}",
        ),
    ),
    (
        "{{1}} / {a}",
        (
            "divide by {a}",
            "divide [it|that|the result|the answer] by {a}",
            "split [it|the result] by {a}",
            "split [it|that] into {a} parts",
            "divide the [outcome|total] by {a}",
        ),
    ),
    ("{{1}} * 2", ("double it", "double that", "double the result", "multiply it by two")),
    ("{{1}} / 2", ("halve it", "halve the result", "take half of [it|that]", "cut it in half")),
    ("{{1}} * 3", ("triple it", "triple the result", "triple that")),
    (
        "{{1}} ** 2",
        ("square it", "square the result", "square that", "take the square of the result"),
    ),
    (
        "sqrt({{1}})",
        (
            "take the square root",
            "take the square root of [it|that|the result]",
            "take its square root",
            "take the root of the result",
        ),
    ),
    (
        "{p} / 100 * {{1}}",
        (
            "take {p}% of [it|that|the result]",
            "take {p} percent of [it|that]",
            "work out {p}% of the result",
        ),
    ),
    ("{{1}} * (1 + {p} / 100)", ("add {p}% to it", "add {p}%", "increase it by {p} percent")),
    (
        "{{1}} * (1 - {p} / 100)",
        ("take {p}% off", "subtract {p}%", "take {p} percent off the result"),
    ),
)
_ON_TEXT = (
    (
        SUMMARISE,
        (
            "summarise [it|that|the result|the results|what you find|the page]",
            "summarize [it|that|the results|what you find|the page|the content]",
            "sum it up",
            "give me a [short|brief|] summary",
            "give me a summary of [it|the results|the page]",
            "tell me in short what it [says|is about]",
            "tell me in [one sentence|a few words|short] what it says",
            "tell me the main [point|points|idea]",
            "tell me what it is about",
            "give me the gist",
            "shorten it",
            "boil it down to one sentence",
            "tell me the most important thing",
        ),
    ),
    (
        EXPLAIN,
        (
            "explain [it|that|the result|the results]",
            "explain [it|the result] to me",
            "explain what it means",
            "tell me what [it|that] means",
            "explain it in simple words",
        ),
    ),
    (
        TRANSLATE,
        (
            "translate [it|that|the result|the page] [into|to] [French|German|Spanish|Italian]",
            "translate it",
            "give me a [French|German|Spanish] translation",
        ),
    ),
    (
        WRITE,
        (
            "write [a sentence|a paragraph|a poem|an email|a tweet|a post|a short text] about it",
            "write [a sentence|a text|an email] about the [result|results]",
            "write [something|a note|a report] about [it|that]",
            "make a [poem|sentence|story|report] out of it",
        ),
    ),
)
_FOLLOW_UPS = (
    "now {x}",
    "and now {x}",
    "{x}",
    "{x} please",
    "then {x}",
    "and then {x}",
    "ok, {x}",
    "can you {x}?",
    "please {x}",
    "great, now {x}",
    "next {x}",
)


def draw(source: Source, words: Words, allowed: Sequence[str]) -> Request:
    """A request that takes two or three steps with these tools."""
    makers: list[tuple[float, Callable[[], Request]]] = [
        (1.0, lambda: _independent(source, words, allowed, 2)),
        (0.3, lambda: _independent(source, words, allowed, 3)),
    ]
    if "calculator" in allowed:
        makers += [
            (1.4, lambda: _calculated_on(source, 2)),
            (0.4, lambda: _calculated_on(source, 3)),
            (0.3, lambda: _calculated_and_told(source)),
        ]
    texts = [name for name in ("web_search", "browser") if name in allowed]
    if texts:
        makers.append((1.2, lambda: _read_and_told(source, words, texts)))
    if len(texts) == 2:
        makers.append((0.5, lambda: _first_result(source, words)))
    (make,) = source.rng.choices([maker for _, maker in makers], [weight for weight, _ in makers])
    return make()


def follow_up(source: Source) -> Request:
    """A request that goes on with the number of the answer before."""
    number = Numbers(source.rng).any().written
    words, template = _operation(source)
    asked = polish(source, source.phrase(_FOLLOW_UPS, {"x": words}))
    step = calculator.step(template.replace("{{1}}", number))
    return Request("follow-up", asked, (step,), (answered_sum(source, number),))


def answered_sum(source: Source, number: str | None = None) -> tuple[str, str]:
    """A calculation of an earlier turn, and its answer (any number, which is not checked)."""
    message, _ = calculator.request(source)
    told = source.rng.choice(("The answer is {n}.",) * 3 + ("It is {n}.", "{n}"))
    return message, told.replace("{n}", number or Numbers(source.rng).any().written)


def _operation(source: Source, previous: int = 1) -> tuple[str, str]:
    """Words for going on with a result, and the expression."""
    expression, phrasings = source.rng.choice(_MORE)
    number = Numbers(source.rng).any()
    percent = str(source.rng.randint(1, 99))
    words = source.phrase(phrasings, {"a": number.said, "p": percent})
    filled = expression.replace("{a}", number.written).replace("{p}", percent)
    return words, filled.replace("{{1}}", f"{{{{{previous}}}}}")


def _calculated_on(source: Source, count: int) -> Request:
    start, expression = _imperative(source)
    parts, steps = [start], [calculator.step(expression)]
    for previous in range(1, count):
        words, further = _operation(source, previous)
        parts.append(words)
        steps.append(calculator.step(further))
    return Request("chain", polish(source, _join(source, parts)), tuple(steps))


def _calculated_and_told(source: Source) -> Request:
    start, expression = _imperative(source)
    step, phrasings = source.rng.choice((_ON_TEXT[1], _ON_TEXT[3]))
    text = _join(source, [start, source.phrase(phrasings)])
    return Request("chain", polish(source, text), (calculator.step(expression), step))


def _read_and_told(source: Source, words: Words, names: Sequence[str]) -> Request:
    make = lookup.search if source.rng.choice(names) == "web_search" else lookup.browse
    start, first = make(source, words)
    step, phrasings = _ON_TEXT[0] if source.chance(0.6) else source.rng.choice(_ON_TEXT)
    text = _join(source, [_bare(start), source.phrase(phrasings)])
    return Request("chain", text, (first, step))


def _first_result(source: Source, words: Words) -> Request:
    start, first = lookup.search(source, words)
    further = source.phrase(
        (
            "open the first [result|hit|link|page]",
            "open the best [result|hit|match]",
            "read the first [page|result]",
            "visit the first [link|result]",
            "go to the top result",
            "show me the first page",
            "open what you find",
            "open it",
        )
    )
    steps: tuple[Step, ...] = (first, Step("browser", {"url": "{{1}}"}, lookup.BROWSE))
    parts = [_bare(start), further]
    if source.chance(0.3):
        last, phrasings = _ON_TEXT[0]
        parts.append(source.phrase(phrasings))
        steps = (*steps, last)
    return Request("chain", _join(source, parts), steps)


def together(source: Source, parts: Sequence[tuple[str, Step]], kind: str = "several") -> Request:
    """Two or three requests in one message."""
    message = joined(source, [text for text, _ in parts])
    return Request(kind, message, tuple(step for _, step in parts))


def part(source: Source, words: Words, name: str) -> tuple[str, Step]:
    """A request for one of the known tools, fit to stand beside others."""
    if name == "calculator":
        text, expression = _imperative(source) if source.chance(0.6) else calculator.request(source)
        return text, calculator.step(expression)
    if name == "web_search":
        return lookup.search(source, words)
    if name == "browser":
        return lookup.browse(source, words)
    return lookup.clock(source, with_zone=False)


def _independent(source: Source, words: Words, allowed: Sequence[str], count: int) -> Request:
    parts = [part(source, words, source.rng.choice(allowed)) for _ in range(count)]
    return together(source, parts)


def _imperative(source: Source) -> tuple[str, str]:
    """A short order to calculate something, fit to stand inside a longer request."""
    while (drawn := calculator.draw(source)).form == "whole":
        pass
    if drawn.form == "action":
        return drawn.thing, drawn.expression
    verbs = (
        "[calculate|compute|work out|evaluate|find|solve] {x}",
        "[what is|what's] {x}",
        "{x}",
        "tell me {x}",
        "give me {x}",
        "take {x}",
        "start with {x}",
        "tell me what {x} is",
        "get {x}",
    )
    return source.phrase(verbs, {"x": drawn.thing}), drawn.expression


def _bare(text: str) -> str:
    """A request without its end mark, so that another can follow in the sentence."""
    return text.rstrip(" .!?")


def joined(source: Source, requests: Sequence[str]) -> str:
    """Whole requests as one message."""
    if len(requests) == 1:
        return requests[0]
    return _join(source, [_bare(text) for text in requests])


def _join(source: Source, parts: Sequence[str]) -> str:
    if len(parts) == 3:
        slots = dict(zip("xyz", parts, strict=True))
        text = source.phrase(_TRIPLES, slots)
    else:
        slots = {"x": parts[0], "y": parts[1], "Y": _capitalised(parts[1])}
        text = source.phrase(_JOINTS, slots)
    if "?" not in text[-1:] and source.chance(0.5):
        text += source.rng.choice((".", ".", "?", "!"))
    return text


def _capitalised(text: str) -> str:
    # A web address at the start keeps its case: it is to be copied.
    return text[:1].upper() + text[1:] if text.split(maxsplit=1)[0].isalpha() else text
