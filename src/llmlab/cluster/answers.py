"""What the one door gives back: an answer, and where it came from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from llmlab.types import Chunk, ToolCall, Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        text: What the model said.
        tool_calls: What it asks to be called.
        usage: Token counts.
        node: Name of the node that generated it.
        cache_hit: Whether it came from the response cache.
        finish_reason: Why it ended.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    node: str = ""
    cache_hit: bool = False
    finish_reason: str | None = None


@dataclass(slots=True)
class AnswerStream:
    """An answer while it is made: iterate ``chunks``; closing them stops the generation.

    Attributes:
        chunks: The pieces.
        node: Name of the node that answers.
        cache_hit: Whether the answer comes from the response cache.
    """

    chunks: AsyncIterator[Chunk]
    node: str
    cache_hit: bool
