"""Finds, without any model, what in a long prompt is closest to a request.

A small model reads a list of thirty tools or a page of forty sentences badly, and a request mostly
says a word of the right one. The prompts name the closest behind the rest, where they don't
disturb the prefix cache; the model decides. An e-mail address or a price says a word, too, and
who asks for a price looks for one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from llmlab.types import JsonObject, JsonValue
from llmlab.workflows.chat.asking import answer_looks
from llmlab.workflows.chat.bm25 import scores
from llmlab.workflows.chat.tool import ToolDescription

_MOST = 3
# Of the best tool's score; what has less is listed by chance.
_LEAST_SHARE = 0.4
# What a part of a result gains by looking like an answer; less than by sharing a long word.
_LOOKS_RIGHT = 2.0
# A request that long holds a document; what is asked stands before or after it.
_HALF_READ = 1000
_LONGEST_DOCUMENT = 4000
_LONGEST_PASSAGE = 300
_MOST_PASSAGES = 400
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'“(A-Z0-9])|\n+")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)]|https?://\S+:)\s+")

# A value's looks say what tools call it.
_SHAPES = (
    (re.compile(r"https?://|www\."), "url link page site"),
    (re.compile(r"\S@\S+\.\w"), "email mail"),
    (re.compile(r"[\w-]\.(?!com|org|net|io|de)[a-z]{2,4}\d?\b(?!/)"), "file path"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b|\b(?:[a-z]{3,6}day|tomorrow)\b", re.IGNORECASE), "date day"),
    (re.compile(r"\b\d{1,2}:\d\d\b"), "time"),
    (re.compile(r"[$€£]|\b(?:euros?|dollars?|pounds)\b", re.IGNORECASE), "amount price money"),
)


def closest_tools(message: str, tools: Sequence[ToolDescription]) -> list[str]:
    """Names of the few tools that share most with a request, the closest first.

    Args:
        message: The user's words.
        tools: What a plan may use.

    Returns:
        At most three; none if no tool shares a word that says something, or there is no choice.
    """
    if len(tools) < 2:
        return []
    message = _ends(message)
    shapes = [word for shape, word in _SHAPES if shape.search(message)]
    asked = " ".join([message, *shapes])
    found = scores(asked, [_document(tool) for tool in tools])
    return [tools[at].name for at in _best(found, _MOST, max(found) * _LEAST_SHARE)]


def closest_passages(message: str, outputs: Sequence[str]) -> list[str]:
    """The few sentences, lines or records of each output that are likest to answer a request.

    Args:
        message: The user's words.
        outputs: What steps gave: texts, or JSON.

    Returns:
        At most three of an output, two if there are several, the likest first, each at most 300
        characters; none of an output that has no more than three, or has nothing of the request.
    """
    asked = _ends(message)
    looks = answer_looks(asked)
    most = _MOST if len(outputs) == 1 else _MOST - 1
    found: list[str] = []
    for output in outputs:
        parts = _passages(output)
        if len(parts) > _MOST:
            likeness = [sum(bool(look.search(part)) for look in looks) for part in parts]
            shared = scores(asked, parts)
            total = [s + _LOOKS_RIGHT * n for s, n in zip(shared, likeness, strict=True)]
            found += [parts[at] for at in _best(total, most)]
    return found


def _best(found: Sequence[float], most: int, least: float = 0.0) -> list[int]:
    """Places of the highest scores above the least."""
    ranked = sorted(range(len(found)), key=lambda place: -found[place])[:most]
    return [place for place in ranked if found[place] > least]


def _ends(message: str) -> str:
    if len(message) <= 2 * _HALF_READ:
        return message
    return f"{message[:_HALF_READ]} {message[-_HALF_READ:]}"


def _passages(output: str) -> list[str]:
    try:
        parts = list(islice(_leaves(json.loads(output)), _MOST_PASSAGES))
    except (ValueError, RecursionError):
        parts = list(islice(_leaves(output), _MOST_PASSAGES))
    return [part[:_LONGEST_PASSAGE] for part in parts]


def _leaves(value: JsonValue) -> Iterator[str]:
    """Sentences of texts, and the objects of lists, each as a line; no lonely fields."""
    if isinstance(value, dict):
        for inner in value.values():
            if isinstance(inner, dict | list) or (isinstance(inner, str) and _is_prose(inner)):
                yield from _leaves(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _record(item) if isinstance(item, dict) else _leaves(item)
    else:
        parts = (_BULLET.sub("", part).strip() for part in _SENTENCE_END.split(_said(value)))
        yield from filter(None, parts)


def _record(item: JsonObject) -> Iterator[str]:
    """An object of a list: the sentences that it holds, or else all its fields as one line."""
    sentences = [one for one in item.values() if isinstance(one, str) and _is_prose(one)]
    line = ", ".join(f"{key}: {_said(inner)}" for key, inner in item.items())
    if sentences or len(line) > _LONGEST_PASSAGE:
        yield from _leaves(item)
    else:
        yield line


def _is_prose(text: str) -> bool:
    return text.rstrip().endswith((".", "!", "?")) and text.count(" ") > 1


def _said(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _document(tool: ToolDescription) -> str:
    """What a tool says of itself; its name counts twice."""
    properties = tool.parameters.get("properties") or {}
    told = [tool.name, tool.name, tool.description, *properties]
    for schema in properties.values():
        if isinstance(schema, dict):
            told += [str(choice) for choice in schema.get("enum") or ()]
            told.append(str(schema.get("description") or ""))
    return " ".join(told)[:_LONGEST_DOCUMENT]
