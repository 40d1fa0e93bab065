"""What kind of request a message is, and whether an answer does what was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from llmlab.workflows.orchestrated.prompting import (
    KINDS,
    Kind,
    analyzer_messages,
    validator_messages,
)
from training.data import calculator, lookup, smalltalk, talk
from training.data.answers import composer_sample
from training.data.chatter import around
from training.data.corpus import CORPUS
from training.data.phrasing import Source, polish
from training.data.rough import roughened
from training.data.sample import Sample
from training.data.slots import Slots
from training.data.verdicts import verdict
from training.data.words import Words

_NUMBER = re.compile(r"(?<![\w.])-?\d(?:[\d.,:]*\d)?")
_COPIED = re.compile(r"https?://\S+\w|[\w.]+@[\w.]+\w|[A-Za-z][\w-]{3,}")
_FRAMES = ("The answer is ", "The result is: ", "I found this: ", "The page says: ", "It is ")
_REFUSALS = (
    smalltalk.UNKNOWN,
    smalltalk.NO_SUMS,
    smalltalk.NO_WEB,
    smalltalk.NO_ACTION,
    "I'm sorry, but I can't help with that.",
    "As an AI model I am not able to do that.",
    "I don't know.",
    "I cannot answer this.",
    "Unfortunately I have no access to this information.",
)
_FAILURES = (
    "Error: timed out",
    "Error: HTTP 500",
    "Traceback (most recent call last):",
    "Internal server error",
    "Error: connection refused",
    "null",
    "undefined",
    '{"error": "invalid request"}',
    "KeyError: 'result'",
    "Exception: no answer",
)
_FOREIGN = (
    "La respuesta es {x}.",
    "Die Antwort ist {x}.",
    "La réponse est {x}.",
    "Il risultato è {x}.",
    "Het antwoord is {x}.",
    "O resultado é {x}.",
    "Das Ergebnis lautet {x}.",
    "He encontrado esto: {x}",
    "Voici ce que j'ai trouvé : {x}",
    "Ich habe Folgendes gefunden: {x}",
)
_TOLD = (
    "{x}",
    "{x}.",
    "[The|Your] result is {x}.",
    "That makes {x}.",
    "That [comes to|is] {x}.",
    "It comes to {x}.",
    "You get {x}.",
    "It is **{x}**.",
    "[Sure!|Of course.|Here you go:] The answer is {x}.",
    "{x} is [the answer|the result|what comes out].",
    "According to the calculator it is {x}.",
    "[In total|All in all|Altogether] that is {x}.",
    "The [calculator|tool] gives {x}.",
    "I worked it out: {x}.",
    "Result: {x}",
    "The total is {x}. [Let me know if you need more.|Anything else?|]",
)
_FOUND = (
    "{x}",
    "Here is what I found: {x}",
    "According to the [page|website|results]: {x}",
    "It says: {x}",
    "The [page|site|article|search] says that: {x}",
    "I looked it up. {x}",
    "[Sure!|Of course.|Yes.] {x}",
    "{x} [That is what the page says.|I hope that helps.|That is all I found.]",
)
_FIELD = (
    "{v}",
    "{v}.",
    "It is {v}.",
    "{N}: {v}",
    "[The|Your] {n} [is|:] {v}.",
    "[Sure!|I looked:] the {n} is {v}.",
    "{v} is the {n}.",
)
_TROUBLE = (
    "Sorry, that [failed|did not work]: {x}.",
    "I could not do it ({x}).",
    "The [tool|step] reported a problem: {x}.",
    "Unfortunately there was an error, {x}. [Please try again later.|]",
    "[I tried, but|No luck:] {x}.",
)
_CLAIMED = (
    "Done.",
    "Done, [all of it|as you asked].",
    "[I found this|The page says]: {s}",
    "{s}",
    "The [answer|result] is {n}.",
    "It is {n}.",
    "That worked, the result is {n}.",
)
_VAGUE = (
    "It depends.",
    "I found something.",
    "There are [several|some] results.",
    "That is [a good question|easy to find out].",
    "The result is in the list.",
    "I have looked it up for you.",
    "Please see the [page|results].",
)
_FIELD_TOLD = re.compile(r"The ([a-z][a-z ]*) (?:is|are) (.+)\.")
_PROBLEM_TOLD = re.compile(r"That did not work: (.+)\.")
_LISTED = re.compile(r"^\d\. ", re.MULTILINE)
_SENTENCE = re.compile(r"[A-Z][^.!?\n|{}\[\]\"]{12,}[.!?](?=\s|$|\")")


@dataclass(frozen=True)
class _Judged:
    """A verdict on an answer."""

    answer: str
    score: int
    feedback: str = ""


@dataclass(frozen=True)
class _Case:
    """A request with its results, as the validator sees them, and a right answer."""

    request: str
    results: str
    answer: str


def kind_sample(source: Source, words: Words) -> Sample:
    """A message, and the kind that it is of."""
    kind = source.rng.choice(KINDS)
    made = _GENERATED.get(kind)
    if made and source.chance(0.4):
        message = made(source, words)
    else:
        wording = roughened(source, source.phrase(_wordings(kind)))
        message = polish(source, Slots(source, words).said(wording))
    if kind != "chat" and source.chance(0.12):
        message = around(source, words, message)
    history = talk.some_history(source, words) if source.chance(0.1) else ()
    messages = analyzer_messages(message, history)
    return Sample("kind", messages, json.dumps({"kind": kind}))


def verdict_sample(source: Source, words: Words) -> Sample:
    """An answer, right or spoilt, and what a validator says about it."""
    if source.chance(0.4):
        return verdict(source, words)
    draw = source.rng.random()
    case = _told(source, words) if draw < 0.2 else _composed(source, words, failed=draw < 0.3)
    judged = _good(case) if source.chance(0.48) else _spoilt(source, words, case)
    # Right and wrong answers are worded alike, so that it is not the wording that is judged.
    answer = _reworded(source, judged.answer) if source.chance(0.6) else judged.answer
    system = validator_messages("", "")[0]
    content = f"Request: {case.request}\n{case.results}Answer: {answer}"
    told = {"ok": judged.score >= 5, "score": judged.score, "feedback": judged.feedback}
    messages = [system, {"role": "user", "content": content}]
    return Sample("verdict", messages, json.dumps(told, ensure_ascii=False))


@cache
def _wordings(kind: Kind) -> tuple[str, ...]:
    lines = (CORPUS / "kinds" / f"{kind}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def _question(source: Source, words: Words) -> str:
    if source.chance(0.6):
        return talk.fact(source, words).message
    return lookup.knowledge(source, words)


def _search(source: Source, words: Words) -> str:
    return lookup.search(source, words)[0]


def _calculation(source: Source, words: Words) -> str:
    return calculator.request(source)[0]


def _chat(source: Source, words: Words) -> str:
    return talk.small_talk(source, words).message


_GENERATED: dict[Kind, Callable[[Source, Words], str]] = {
    "question": _question,
    "search": _search,
    "calculation": _calculation,
    "chat": _chat,
}


def _told(source: Source, words: Words) -> _Case:
    """A request that was answered without tools."""
    exchange = talk.draw(source, words)
    while exchange.history:
        exchange = talk.draw(source, words)
    return _Case(exchange.message, "", exchange.answer)


def _composed(source: Source, words: Words, *, failed: bool) -> _Case:
    """A request that was answered from results, or could not be."""
    while True:
        sample = composer_sample(source, words)
        content = sample.messages[-1]["content"].removesuffix("Answer:")
        request, _, results = content.removeprefix("Request: ").partition("\nResults:\n")
        case = _Case(request, f"Results:\n{results}", sample.answer)
        if len(sample.messages) == 2 and (_failed(case) or not failed):
            return case


def _failed(case: _Case) -> bool:
    return "): Error: " in case.results


def _good(case: _Case) -> _Judged:
    # Honest, but no help.
    no_help = case.answer == smalltalk.UNKNOWN or _failed(case)
    return _Judged(case.answer, 6 if no_help else 10)


def _reworded(source: Source, answer: str) -> str:
    """The same answer, as other models word it."""
    lines = re.split(r"\n?\d\. ", answer)
    if len(lines) > 2 and not lines[0]:
        return source.rng.choice((" ", "\n", "\n- ")).join(lines[1:]).strip()
    if trouble := _PROBLEM_TOLD.fullmatch(answer):
        return source.phrase(_TROUBLE, {"x": trouble[1]})
    if (told := _FIELD_TOLD.fullmatch(answer)) and not answer.startswith(_FRAMES):
        name = told[1]
        return source.phrase(_FIELD, {"n": name, "N": name.capitalize(), "v": told[2]})
    value = _bare(answer)
    if _NUMBER.fullmatch(value) and answer.startswith(_FRAMES):
        return source.phrase(_TOLD, {"x": _readable(source, value)})
    if answer.startswith(("I found this: ", "The page says: ")):
        return source.phrase(_FOUND, {"x": value})
    return answer


def _spoilt(source: Source, words: Words, case: _Case) -> _Judged:
    makers: list[Callable[[Source, Words, _Case], _Judged | None]] = [
        _empty,
        _cut,
        _elsewhere,
        _repeated,
        _error,
    ]
    if case.results:
        makers += [_wrong_number] * 4 + [_other_value] * 4 + [_wrong_word] * 3 + [_one_missing] * 4
        makers += [_other_sentence] * 4 + [_refused, _refused, _vague, _foreign]
    if _failed(case):
        makers += [_claimed] * 30
    if "\n" in case.answer and source.chance(0.5):
        makers += [_one_missing] * 30
    while True:
        judged = source.rng.choice(makers)(source, words, case)
        if judged and judged.answer != case.answer:
            return judged


def _empty(source: Source, words: Words, case: _Case) -> _Judged:
    return _Judged(source.rng.choice(("", "", " ", "...")), 0, "The answer is empty.")


def _cut(source: Source, words: Words, case: _Case) -> _Judged | None:
    parts = case.answer.split(" ")
    if len(parts) < 4 or not case.answer.endswith((".", "?", "!")):
        return None
    kept = " ".join(parts[: source.rng.randint(2, len(parts) - 1)])
    if kept.endswith((".", "?", "!", ":")):
        return None
    return _Judged(kept, 3, "The answer is cut off.")


def _elsewhere(source: Source, words: Words, case: _Case) -> _Judged:
    answer = talk.fact(source, words).answer if source.chance(0.6) else words.sentence()
    return _Judged(answer, 1, "The answer is about something else.")


def _repeated(source: Source, words: Words, case: _Case) -> _Judged | None:
    if case.answer in case.request:
        return None
    return _Judged(case.request, 1, "The answer only repeats the request.")


def _error(source: Source, words: Words, case: _Case) -> _Judged | None:
    if _failed(case):
        return None
    return _Judged(source.rng.choice(_FAILURES), 1, "The answer is an error message.")


def _refused(source: Source, words: Words, case: _Case) -> _Judged | None:
    told = _bare(case.answer.removeprefix("1. ").split("\n")[0])
    if _failed(case) or case.answer in _REFUSALS or told not in case.results:
        return None
    feedback = "The results hold the answer, but the answer refuses."
    return _Judged(source.rng.choice(_REFUSALS), 2, feedback)


def _vague(source: Source, words: Words, case: _Case) -> _Judged | None:
    if _failed(case):
        return None
    return _Judged(source.phrase(_VAGUE), 2, "The answer does not say what was asked for.")


def _claimed(source: Source, words: Words, case: _Case) -> _Judged | None:
    """A result that a failed step never brought."""
    if not _failed(case):
        return None
    slots = {"s": words.sentence(), "n": str(source.rng.randint(2, 99999))}
    feedback = "A step failed, but the answer claims a result."
    return _Judged(source.phrase(_CLAIMED, slots), 1, feedback)


def _other_value(source: Source, words: Words, case: _Case) -> _Judged | None:
    """A number of the request or of another line of the results."""
    told = [match for match in _NUMBER.finditer(case.answer) if match[0] in case.results]
    answered = {match[0] for match in _NUMBER.finditer(case.answer)}
    everything = f"{case.request}\n{_LISTED.sub(' ', case.results)}"
    others = sorted({match[0] for match in _NUMBER.finditer(everything)} - answered)
    told = [match for match in told if not _LISTED.match(case.answer, match.start())]
    if not told or not others:
        return None
    match, wrong = source.rng.choice(told), source.rng.choice(others)
    answer = case.answer[: match.start()] + wrong + case.answer[match.end() :]
    return _Judged(answer, 2, f"The result is {match[0]}, but the answer says {wrong}.")


def _other_sentence(source: Source, words: Words, case: _Case) -> _Judged | None:
    """Another sentence of the results than the one that answers."""
    if not case.answer.startswith(("I found this: ", "The page says: ")) or "\n" in case.answer:
        return None
    told = _bare(case.answer)
    others = [text for text in _SENTENCE.findall(case.results) if text not in told]
    if not others:
        return None
    frame = case.answer.removesuffix(told)
    feedback = "The answer tells something else of the results."
    return _Judged(frame + source.rng.choice(others), 3, feedback)


def _foreign(source: Source, words: Words, case: _Case) -> _Judged | None:
    if _failed(case) or "\n" in case.answer or not case.answer.startswith(_FRAMES):
        return None
    answer = source.rng.choice(_FOREIGN).replace("{x}", _bare(case.answer))
    return _Judged(answer, 4, "The answer is in another language than the request.")


def _one_missing(source: Source, words: Words, case: _Case) -> _Judged | None:
    lines = case.answer.split("\n")
    if len(lines) < 2 or not all(re.match(r"\d\. ", line) for line in lines):
        return None
    dropped = source.rng.randrange(len(lines))
    kept = lines[:dropped] + lines[dropped + 1 :]
    answer = "\n".join(kept) if len(kept) > 1 else kept[0][3:]
    return _Judged(answer, 4, f"The answer leaves out result {dropped + 1}.")


def _wrong_number(source: Source, words: Words, case: _Case) -> _Judged | None:
    body = _LISTED.sub(lambda m: "\0" * len(m[0]), case.answer)
    found = [match for match in _NUMBER.finditer(body) if match[0] in case.results]
    if not found:
        return None
    match = source.rng.choice(found)
    wrong = _miscopied(source, match[0])
    return _replaced(case, match, wrong)


def _wrong_word(source: Source, words: Words, case: _Case) -> _Judged | None:
    if _failed(case):
        return None
    found = [match for match in _COPIED.finditer(case.answer) if _is_copied(match, case)]
    if not found:
        return None
    match = source.rng.choice(found)
    makers: tuple[Callable[[], str], ...] = (words.word, words.name, words.place)
    make = source.rng.choice(makers)
    if match[0].startswith("http"):
        make = words.url
    return _replaced(case, match, make())


def _is_copied(match: re.Match[str], case: _Case) -> bool:
    return match[0] in case.results and not any(match[0] in frame for frame in _FRAMES)


def _replaced(case: _Case, match: re.Match[str], wrong: str) -> _Judged | None:
    if wrong in case.results:
        return None
    answer = case.answer[: match.start()] + wrong + case.answer[match.end() :]
    return _Judged(answer, 2, f"The result is {match[0]}, but the answer says {wrong}.")


def _miscopied(source: Source, number: str) -> str:
    """The number with two digits swapped, or one changed, dropped or doubled."""
    at = source.rng.choice([i for i, char in enumerate(number) if char.isdigit()])
    changed = number[:at] + str((int(number[at]) + source.rng.randint(1, 9)) % 10)
    changed += number[at + 1 :]
    after = number[at + 1 : at + 2]
    if after.isdigit() and after != number[at] and source.chance(0.5):
        return number[:at] + after + number[at] + number[at + 2 :]
    if source.chance(0.15):
        return number[:at] + number[at] + number[at:]
    if after.isdigit() and source.chance(0.15):
        return number[:at] + number[at + 1 :]
    return changed


def _bare(answer: str) -> str:
    """What an answer tells, without its frame."""
    frame = next((frame for frame in _FRAMES if answer.startswith(frame)), "")
    told = answer.removeprefix(frame)
    return told.removesuffix(".") if frame in ("The answer is ", "It is ") else told


def _readable(source: Source, value: str) -> str:
    """A number as it stands, or rounded or grouped for people."""
    if re.fullmatch(r"-?\d{4,}", value) and source.chance(0.4):
        return f"{int(value):,}"
    if re.fullmatch(r"-?\d+\.\d{4,}", value) and source.chance(0.6):
        return f"{float(value):.2f}"
    return value
