"""Word lists, kept as text."""

from __future__ import annotations

from functools import cache
from pathlib import Path


def listed(section: str) -> tuple[str, ...]:
    """The words under `[section]` of `words.txt`."""
    return _sections()[section]


@cache
def _sections() -> dict[str, tuple[str, ...]]:
    text = Path(__file__).with_name("words.txt").read_text(encoding="utf-8")
    parts = (part.split("]", 1) for part in text.split("[")[1:])
    return {name: tuple(words.split()) for name, words in parts}
