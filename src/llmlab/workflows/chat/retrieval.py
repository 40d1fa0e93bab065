"""Finds, without any model, which tools are closest to a request.

A small model reads a list of thirty tools badly, and a request mostly says a word of the right
one, or one that goes with it. The planner's prompt names the closest behind the rest, where they
don't disturb the prefix cache; the model decides. An e-mail address or a price says a word, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmlab.workflows.chat.bm25 import scores
from llmlab.workflows.chat.related import likelihoods
from llmlab.workflows.chat.tool import ToolDescription

_MOST = 3
# Of the best tool's score; what has less is listed by chance.
_LEAST_SHARE = 0.6
# Of what goes with the request's words, against the words themselves.
_RELATED_WEIGHT = 4.0
# Less than that goes with most requests, small talk among them.
_LEAST_RELATED = 0.35
# A request that long holds a document; what is asked stands before or after it.
_HALF_READ = 1000
_LONGEST_DOCUMENT = 4000

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
        At most three; none if no tool has a word that says something about the request, or there
        is no choice.
    """
    if len(tools) < 2:
        return []
    message = _ends(message)
    shapes = [word for shape, word in _SHAPES if shape.search(message)]
    asked = " ".join([message, *shapes])
    documents = [_document(tool) for tool in tools]
    same, related = scores(asked, documents), likelihoods(asked, documents)
    found = [own + _RELATED_WEIGHT * other for own, other in zip(same, related, strict=True)]
    ranked = sorted(range(len(tools)), key=lambda place: -found[place])[:_MOST]
    near = [at for at in ranked if found[at] > max(found) * _LEAST_SHARE]
    return [tools[at].name for at in near if same[at] or related[at] > _LEAST_RELATED]


def _ends(message: str) -> str:
    if len(message) <= 2 * _HALF_READ:
        return message
    return f"{message[:_HALF_READ]} {message[-_HALF_READ:]}"


def _document(tool: ToolDescription) -> str:
    """What a tool says of itself; its name counts twice."""
    properties = tool.parameters.get("properties") or {}
    told = [tool.name, tool.name, tool.description, *properties]
    for schema in properties.values():
        if isinstance(schema, dict):
            told += [str(choice) for choice in schema.get("enum") or ()]
            told.append(str(schema.get("description") or ""))
    return " ".join(told)[:_LONGEST_DOCUMENT]
