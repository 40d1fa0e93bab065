"""BM25 over pieces of words: which of a few texts share most with a request, without any model.

The beginnings, middles and ends of words stand in for a stemmer, in most languages that write
spaces.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

_GRAM = 4
_SATURATION, _LENGTH_WEIGHT = 1.2, 0.75
_WORD = re.compile(r"[^\W_]+")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Words that say nothing by themselves.
FILLING = re.compile(
    r"a|an|the|of|to|in|on|at|for|and|or|with|by|from|is|are|be|it|its|i|me|my|you|your|whats?|how"
    r"|do|does|did|can|could|please|this|that|s|as|if|when|which|who|where|will|would|should|have"
    r"|has|had|not|no|any|all|some|there|here|get|give|make|tell|need|want|up|out|one|hello|hi|hey"
    r"|thanks?|ok|okay|just|now|then|also|so|but|we|us|our|he|she|they|them|their|his|her|into|about"
)


def scores(request: str, texts: Sequence[str]) -> list[float]:
    """How much each text shares with a request; 0 where it is less than a word.

    Args:
        request: Any text.
        texts: What is searched; a few hundred at most, as nothing is indexed.
    """
    asked = frozenset(_grams(request))
    documents = [_counted(text) for text in texts]
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


@lru_cache(maxsize=2048)
def _counted(text: str) -> Counter[str]:
    return Counter(_grams(text))


def _grams(text: str) -> list[str]:
    """Pieces of four characters of all words that say something; `^` and `$` mark their ends."""
    words = _WORD.findall(CAMEL.sub(" ", text).lower())
    marked = [f"^{word}$" for word in words if not FILLING.fullmatch(word)]
    return [word[at : at + _GRAM] for word in marked for at in range(max(1, len(word) - _GRAM + 1))]
