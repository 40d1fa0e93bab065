"""Which tools a request may mean that says it in other words than they do: a cab is a taxi.

A table tells which words of tools go with which words of requests, and how much oftener than by
chance. It was counted on the wordings that lab-mini is trained on (`training/related.py`), and
knows English only.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files

from llmlab.workflows.chat.bm25 import CAMEL

TABLE = "related_words.txt"
_WORD = re.compile(r"[^\W\d_]+")
_ENDINGS = re.compile(r"(?<=...)(?:ations?|ings?|ies|ied|ers?|ed|es|s|ly|e|y)$")


def likelihoods(request: str, texts: Sequence[str]) -> list[float]:
    """How well the words of each text go with those of a request; 0 where none does.

    Args:
        request: Any text.
        texts: What tools say of themselves.
    """
    asked = stems(request)
    rows = [row for row in map(_table().get, asked) if row]
    return [_likelihood(rows, len(asked), stems(text)) for text in texts]


@lru_cache(maxsize=2048)
def stems(text: str) -> tuple[str, ...]:
    """The words of a text without their endings, each once."""
    words = _WORD.findall(CAMEL.sub(" ", text).lower())
    return tuple(dict.fromkeys(_ENDINGS.sub("", word) for word in words if len(word) > 1))


def _likelihood(rows: Sequence[Mapping[str, int]], count: int, document: Sequence[str]) -> float:
    found = (sum(row.get(stem, 0) for row in rows) for stem in document)
    told = sum(math.log1p(oftener / count) for oftener in found if oftener)
    # Or else who says most is found most often.
    return told / math.sqrt(len(document)) if told else 0.0


@cache
def _table() -> dict[str, dict[str, int]]:
    """For a word of requests, words of tools and how many times oftener they go with it."""
    text = files(__package__).joinpath(TABLE).read_text(encoding="utf-8")
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {stem: _row(pairs.split()) for stem, _, pairs in lines}


def _row(pairs: Sequence[str]) -> dict[str, int]:
    # The same words of tools come in many rows.
    return dict(zip(map(sys.intern, pairs[::2]), map(int, pairs[1::2]), strict=True))
