"""A byte-level BPE that splits a word the same way wherever it stands.

Merges of letters are learnt on words without the space before them; those of a space and a piece
come last. So "apple" is the same pieces after a space, a quote or a slash (but for the space in
the first), and copying from a request into JSON is copying pieces. Digits stay single.
The pre-tokenizer is that of Qwen 2, which llama.cpp knows by name.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

from training.template import CALL_END, CALL_START, END, START

SPECIALS = (END, START, CALL_START, CALL_END)
PRE_TOKENIZER = "qwen2"
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# How byte-level BPE writes a space and a line end.
_SPACE, _LINE_END = "\u0120", "\u010a"
_WORD = re.compile(r"[A-Za-z]{2,}")
# Runs of marks that plans are full of, each built from shorter ones.
_MARKS = (
    '":', '",', '{"', '"}', "},", "]}", '[{"', '"},', '"}]}', ':"', "}}", "{{", "**", '."', '."}',
    '."},', '."}]}', "://", "--", '["', '"]', "...", "?\n", ".\n", ":\n", '}}"', ')"', ')"}',
    ')"},',    '"?', "}\n", ")\n", "\n\n", "():", "):", "()", '\"""', "==", "->", "```", "__",
    "  ", "   ", "       ", "           ",
)  # fmt: skip
_SPACED_MARKS = (
    "+",
    "-",
    "*",
    "/",
    "**",
    "%",
    "=",
    "(",
    '"',
    '{"',
    '[{"',
    "{",
    "{{",
    "[",
    "`",
    "'",
    "->",
    "==",
    "|",
)


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their ids, and merges in the order of their rank."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]

    def save(self, path: Path) -> None:
        """Writes it as JSON."""
        text = json.dumps({"tokens": self.tokens, "merges": self.merges}, ensure_ascii=False)
        path.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Reads what `save` wrote."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        merges = tuple((left, right) for left, right in stored["merges"])
        return cls(tuple(stored["tokens"]), merges)

    @classmethod
    def of_gguf(cls, path: Path) -> Vocabulary:
        """Reads the vocabulary out of an exported model."""
        fields = gguf.GGUFReader(path).fields
        merges = fields["tokenizer.ggml.merges"].contents()
        pairs = tuple(tuple(merge.split(" ")) for merge in merges)
        return cls(tuple(fields["tokenizer.ggml.tokens"].contents()), pairs)

    @cached_property
    def encoder(self) -> Tokenizer:
        """The tokenizer that training uses."""
        encoder = Tokenizer(models.BPE(vocab=self.ids, merges=list(self.merges)))
        encoder.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        encoder.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIALS])
        return encoder

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; special tokens written out in it are recognised."""
        ids: list[int] = self.encoder.encode(text).ids
        return ids

    def pieces_of(self, token: str) -> list[int]:
        """Ids of the tokens that a token of a larger vocabulary is made of here."""
        if token in self.ids:
            return [self.ids[token]]
        text = token.replace(_SPACE, " ").replace(_LINE_END, "\n")
        return self.encode(text)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Each token's id."""
        return {token: index for index, token in enumerate(self.tokens)}

    @property
    def pieces(self) -> tuple[str, ...]:
        """Lower-case word pieces, for practice in copying."""
        words = (token for token in self.tokens if token.isascii() and token.isalpha())
        return tuple(word for word in words if word.islower())


def learn(texts: Iterable[str], word_merges: int) -> Vocabulary:
    """Learns a vocabulary from texts.

    Args:
        texts: What the model will read and write.
        word_merges: How many merges of letters to learn.
    """
    return _composed(_learn_merges(_counted(texts), word_merges))


def enlarge(vocabulary: Vocabulary, texts: Iterable[str], word_merges: int) -> Vocabulary:
    """A vocabulary that merges further where the given one stops.

    Args:
        vocabulary: As `learn` made it; all its tokens stay, under other ids.
        texts: What the model will read and write.
        word_merges: How many merges of letters there are to be, old ones included; the given
            vocabulary is kept, and no text read, if it has as many.
    """
    old = [
        pair
        for pair in vocabulary.merges
        if all(part.isalpha() and part.isascii() for part in pair)
    ]
    if len(old) >= word_merges:
        return vocabulary
    return _composed(_learn_merges(_counted(texts), word_merges, old))


def _counted(texts: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_WORD.findall(text))
    return counts


def _composed(word_merges: list[tuple[str, str]]) -> Vocabulary:
    """The vocabulary of these merges of letters, of marks, and of a space before each."""
    letters = [chr(code) for code in (*range(65, 91), *range(97, 123))]
    words = letters + [left + right for left, right in word_merges]
    merges = word_merges + _mark_merges()
    merges += [(_SPACE, word) for word in words]
    tokens = dict.fromkeys((*sorted(pre_tokenizers.ByteLevel.alphabet()), *map("".join, merges)))
    return Vocabulary((*tokens, *SPECIALS), tuple(merges))


def _learn_merges(
    counts: Counter[str], wanted: int, first: Sequence[tuple[str, str]] = ()
) -> list[tuple[str, str]]:
    """Plain BPE over words that stand alone, `first` being merges that come before all others."""
    ranks = {pair: rank for rank, pair in enumerate(first)}
    words = {word: _split(word, ranks) for word in counts}
    pairs: Counter[tuple[str, str]] = Counter()
    where: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def count(word: str, sign: int) -> None:
        for pair in pairwise(words[word]):
            pairs[pair] += sign * counts[word]
            where[pair].add(word)

    for word in words:
        count(word, 1)
    merges = list(first)
    while len(merges) < wanted:
        best = max(pairs, key=lambda pair: (pairs[pair], pair), default=None)
        if best is None or pairs[best] <= 0:
            break
        merges.append(best)
        for word in where.pop(best):
            count(word, -1)
            words[word] = _merged(words[word], best)
            count(word, 1)
        del pairs[best]
    return merges


def _split(word: str, ranks: Mapping[tuple[str, str], int]) -> list[str]:
    pieces = list(word)
    while known := [pair for pair in pairwise(pieces) if pair in ranks]:
        pieces = _merged(pieces, min(known, key=ranks.__getitem__))
    return pieces


def _merged(pieces: Sequence[str], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)


def _mark_merges() -> list[tuple[str, str]]:
    """Merges that build each mark from what the merges before leave of it."""
    merges: list[tuple[str, str]] = []
    shortest_first = sorted(_MARKS, key=lambda mark: (len(mark), mark))
    for mark in (*shortest_first, *(_SPACE + mark for mark in _SPACED_MARKS)):
        pieces = tuple(mark.replace("\n", _LINE_END).replace(" ", _SPACE))
        for merge in merges:
            pieces = _merged(pieces, merge)
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces = (pieces[0] + pieces[1], *pieces[2:])
    return merges
