"""Renders the analyzer's and the validator's prompts, and reads their answers back.

As in the chat workflow, fixed words come first, so that an engine's prefix cache serves them, and
any instruction-following model can stand behind the prompts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from llmlab.workflows.prompting_text import (
    ChatMessages,
    History,
    JsonDict,
    StepResults,
    json_values,
    listed,
    object_schema,
    quoted,
    system,
    user,
)

Kind = Literal["question", "calculation", "code", "search", "summary", "translation", "chat"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BEST_SCORE = 10

# Other names that models give to the field, in the order in which they are tried.
_KIND_KEYS = ("kind", "type", "category", "label", "class")
_OK_KEYS = ("ok", "valid", "passed", "correct", "approved")
_FEEDBACK_KEYS = ("feedback", "reason", "problem", "comment")
_YES = {"true", "yes", "ok", "pass", "passed", "valid", "correct"}
_NO = {"false", "no", "not ok", "fail", "failed", "invalid", "incorrect", "wrong"}


@dataclass(frozen=True)
class Verdict:
    """What a validator says about an answer.

    Attributes:
        ok: Whether the answer can be given to the user.
        score: From 0 (useless) to 10 (nothing to better).
        feedback: What is wrong; empty when nothing is.
    """

    ok: bool
    score: int
    feedback: str = ""


def analyzer_messages(message: str, history: History = ()) -> ChatMessages:
    """Asks what kind of request a message is.

    Args:
        message: The user's words.
        history: Earlier turns, oldest first, as (user, assistant).
    """
    return [system(_prompt("analyzer")), user(f"{quoted(history)}Request: {message}")]


def analyzer_schema() -> JsonDict:
    """JSON schema of the analyzer's answer, for engines that constrain their output."""
    return object_schema({"kind": {"enum": list(KINDS)}}, ["kind"])


def parse_kind(text: str) -> Kind:
    """Reads the kind from a model's answer: JSON, alone or in prose, or the bare word.

    Raises:
        ValueError: It names no kind, or several; the message says what is wrong.
    """
    text = _spoken(text)
    for value in _objects(text):
        given = _first(value, _KIND_KEYS)
        if given is not None:
            return _kind(str(given))
    found = {kind for kind in KINDS if re.search(rf"\b{kind}\b", text, re.IGNORECASE)}
    if len(found) > 1:
        raise ValueError(f"the answer names several kinds: {', '.join(sorted(found))}")
    if not found:
        raise ValueError(f"the answer names no kind; one of {', '.join(KINDS)} is expected")
    return found.pop()


def validator_messages(message: str, answer: str, results: StepResults = ()) -> ChatMessages:
    """Asks whether an answer does what the user asked for.

    Args:
        message: The user's words.
        answer: What is about to be shown.
        results: Finished steps, as (instruction, tool or None, output).
    """
    request = f"Request: {message}\n{listed(results)}Answer: {answer}"
    return [system(_prompt("validator")), user(request)]


def validator_schema() -> JsonDict:
    """JSON schema of a verdict, for engines that constrain their output."""
    properties = {
        "ok": {"type": "boolean"},
        "score": {"type": "integer", "minimum": 0, "maximum": BEST_SCORE},
        "feedback": {"type": "string"},
    }
    return object_schema(properties, list(properties))


def parse_verdict(text: str) -> Verdict:
    """Reads a verdict from a model's answer: JSON, alone, in a code fence or in prose.

    A score that is missing follows from `ok`; one that is out of range is moved into it.

    Raises:
        ValueError: There is no verdict in it; the message says what is wrong.
    """
    text = _spoken(text)
    for value in _objects(text):
        given = _first(value, _OK_KEYS)
        if given is not None:
            ok = _yes_or_no(given)
            feedback = str(_first(value, _FEEDBACK_KEYS) or "").strip()
            return Verdict(ok, _score(value.get("score"), ok), feedback)
    if "{" not in text:
        raise ValueError("the answer has no JSON object in it")
    raise ValueError('the JSON is malformed, or has no "ok"')


@cache
def _prompt(name: str) -> str:
    path = files(__package__) / "prompts" / f"{name}.txt"
    return path.read_text(encoding="utf-8").strip()


def _spoken(text: str) -> str:
    return text.rpartition("</think>")[2].strip()


def _objects(text: str) -> Iterator[JsonDict]:
    return (value for value in json_values(text, r"{") if isinstance(value, dict))


def _first(value: JsonDict, keys: tuple[str, ...]) -> Any:
    return next((value[key] for key in keys if value.get(key) is not None), None)


def _kind(given: str) -> Kind:
    word = given.strip().lower()
    if word not in KINDS:
        raise ValueError(f"{given[:40]!r} is no kind; one of {', '.join(KINDS)} is expected")
    return word


def _yes_or_no(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    word = str(given).strip().lower()
    if word not in _YES | _NO:
        raise ValueError(f'"ok" must be true or false, not {str(given)[:40]!r}')
    return word in _YES


def _score(given: Any, ok: bool) -> int:
    if given is None:
        return BEST_SCORE if ok else 0
    # "8/10" and "8.0" are common.
    match = re.match(r"\s*(-?\d+(?:\.\d+)?)", str(given))
    if not match or isinstance(given, bool):
        raise ValueError(f'"score" must be a number from 0 to {BEST_SCORE}')
    return max(0, min(BEST_SCORE, round(float(match[1]))))
