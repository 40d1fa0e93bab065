"""Reads the corpus: text files of heads, each with the wordings that belong to it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True)
class Block:
    """A head and what is indented below it.

    Attributes:
        head: The line without indentation.
        lines: The indented lines, stripped.
        source: Name of the file, for messages.
    """

    head: str
    lines: tuple[str, ...]
    source: str


@cache
def blocks(pattern: str) -> tuple[Block, ...]:
    """All blocks of the files that match, in a fixed order.

    Args:
        pattern: A glob below `corpus/`, such as `sums/things*.txt`.

    Raises:
        ValueError: A file begins with an indented line.
    """
    paths = sorted(CORPUS.glob(pattern))
    return tuple(block for path in paths for block in _read(path))


def drawn(rng: random.Random, pattern: str) -> Block:
    """One of the blocks; those with more wordings come more often, but not in proportion."""
    (block,) = rng.choices(blocks(pattern), cum_weights=_weights(pattern))
    return block


@cache
def _weights(pattern: str) -> tuple[int, ...]:
    return tuple(accumulate(3 + len(block.lines) for block in blocks(pattern)))


def _read(path: Path) -> Iterator[Block]:
    head, lines = "", list[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            if not head:
                raise ValueError(f"{path.name}:{number}: a wording without a head")
            lines.append(line.strip().replace("\\n", "\n"))
            continue
        if head:
            yield Block(head, tuple(lines), path.name)
        head, lines = line.strip(), []
    if head:
        yield Block(head, tuple(lines), path.name)
