"""Finds the tools whose descriptions share words with a request, without any model.

A small model reads a list of thirty tools badly, and a request mostly says a word of the right
one. The planner names those tools behind the request, where they don't disturb the prefix cache.
BM25 over the beginnings, middles and ends of words stands in for a stemmer, in most languages
that write spaces; an e-mail address or a price says a word, too.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from llmlab.workflows.chat.tool import ToolDescription

_MOST = 3
# Of the best tool's score; what has less is listed by chance.
_LEAST_SHARE = 0.4
# A request that long holds a document; what is asked stands before or after it.
_HALF_READ = 1000
_LONGEST_DOCUMENT = 4000
_GRAM = 4
_SATURATION, _LENGTH_WEIGHT = 1.2, 0.75
_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FILLING = re.compile(
    r"a|an|the|of|to|in|on|at|for|and|or|with|by|from|is|are|be|it|its|i|me|my|you|your|whats?|how"
    r"|do|does|did|can|could|please|this|that|s|as|if|when|which|who|where|will|would|should|have"
    r"|has|had|not|no|any|all|some|there|here|get|give|make|tell|need|want|up|out|one"
)

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
    if len(message) > 2 * _HALF_READ:
        message = f"{message[:_HALF_READ]} {message[-_HALF_READ:]}"
    shapes = [word for shape, word in _SHAPES if shape.search(message)]
    asked = frozenset(_grams(" ".join([message, *shapes])))
    scores = _scores(asked, [_document(tool) for tool in tools])
    ranked = sorted(zip(scores, range(len(tools)), strict=True), key=lambda pair: -pair[0])[:_MOST]
    best = max(scores, default=0.0)
    return [tools[at].name for score, at in ranked if score > best * _LEAST_SHARE]


def _scores(asked: frozenset[str], documents: Sequence[Counter[str]]) -> list[float]:
    """BM25 of each document; 0 for those that share less than a word."""
    shared = [_shared(asked, document) for document in documents]
    frequency = Counter(gram for grams in shared for gram in grams)
    average = sum(document.total() for document in documents) / max(1, len(documents)) or 1.0
    count = len(documents)
    rarity = {g: math.log(1 + (count - n + 0.5) / (n + 0.5)) for g, n in frequency.items()}
    return [
        sum(rarity[g] * _saturated(document[g], document.total() / average) for g in grams)
        for document, grams in zip(documents, shared, strict=True)
    ]


def _shared(asked: frozenset[str], document: Counter[str]) -> list[str]:
    """The pieces in common: two, or a short word; a single piece is chance (port in support)."""
    grams = sorted(asked & document.keys())
    is_word = any(gram.startswith("^") and gram.endswith("$") for gram in grams)
    return grams if is_word or len(grams) > 1 else []


def _saturated(count: int, relative_length: float) -> float:
    length = 1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * relative_length
    return count * (_SATURATION + 1) / (count + _SATURATION * length)


def _document(tool: ToolDescription) -> Counter[str]:
    """What a tool says of itself; its name counts twice."""
    properties = tool.parameters.get("properties") or {}
    told = [tool.name, tool.name, tool.description, *properties]
    for schema in properties.values():
        if isinstance(schema, dict):
            told += [str(choice) for choice in schema.get("enum") or ()]
            told.append(str(schema.get("description") or ""))
    return _counted(" ".join(told)[:_LONGEST_DOCUMENT])


@lru_cache(maxsize=2048)
def _counted(text: str) -> Counter[str]:
    return Counter(_grams(text))


def _grams(text: str) -> list[str]:
    """Pieces of four characters of all words that say something; `^` and `$` mark their ends."""
    words = _WORD.findall(_CAMEL.sub(" ", text).lower())
    marked = [f"^{word}$" for word in words if not _FILLING.fullmatch(word)]
    return [word[at : at + _GRAM] for word in marked for at in range(max(1, len(word) - _GRAM + 1))]
