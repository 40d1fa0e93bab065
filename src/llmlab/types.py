"""The words that every layer shares: ids, messages, requests, chunks, usage."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from pydantic import JsonValue as JsonValue  # noqa: PLC0414 - offered to every layer from here

JsonObject: TypeAlias = dict[str, JsonValue]


def new_id(prefix: str) -> str:
    """Return an id that sorts by time: prefix, 12 hex digits of milliseconds, 14 random ones."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{os.urandom(7).hex()}"


class NodeKind(StrEnum):
    """What a node is; see the words of the design."""

    LOCAL = "local"
    REMOTE = "remote"
    EXTERNAL = "external"
    COORDINATOR = "coordinator"


FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]
Operation: TypeAlias = Literal["chat", "completion"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model asks for; ``arguments`` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: system, user, assistant or tool.
        content: Text; a list is OpenAI's content parts, passed on as they are.
        name: Name of the speaker or tool.
        tool_calls: What an assistant message asked for.
        tool_call_id: The call that a tool message answers.
    """

    role: str
    content: str | list[JsonValue] | None
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One generation, whichever engine runs it.

    Attributes:
        model: Name of the model as the engine knows it.
        messages: The conversation (chat); empty for a completion.
        prompt: The text to continue (completion); None for a chat.
        options: Sampling and format parameters under their OpenAI names (``temperature``,
            ``max_tokens``, ``stop``, ``seed``, ``response_format``, ``tools``, ...), only
            those that were given.
    """

    model: str
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    options: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def operation(self) -> Operation:
        """Whether this is a chat or a completion."""
        return "chat" if self.prompt is None else "completion"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts; ``cached_tokens`` are the prompt tokens that were not computed again."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call in a stream; ``index`` tells which call it belongs to."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of an answer; the last one of a choice has a ``finish_reason``.

    ``usage`` comes once, on or after the last piece.
    """

    text: str = ""
    index: int = 0
    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    logprobs: JsonObject | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


class TextGenerator(Protocol):
    """Anything that turns a request into pieces of text."""

    def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Yield the answer's pieces; closing the iterator stops the generation."""
        ...
