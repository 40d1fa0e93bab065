"""What a scripted server or engine answers: replies, and which of them is next."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from llmlab.types import FinishReason, ToolCall, Usage

Fault: TypeAlias = Literal["close", "hang", "garbage", "error", "truncate"]

_TOKEN = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, or one way to fail.

    Attributes:
        text: The answer; it is streamed word by word.
        tool_calls: Calls that the answer asks for.
        reasoning: Thoughts that are streamed before the text.
        delay: Seconds between two tokens.
        first_delay: Seconds before anything is sent.
        usage: Token counts; counted in words without it.
        finish_reason: Why it ends; what fits the answer without it.
        status: HTTP status; 400 and more sends ``message`` as an error.
        message: Text of an error.
        code: OpenAI's code of an error.
        headers: Further response headers.
        fault: ``close`` cuts the connection, ``hang`` waits for ever, ``garbage`` sends what is
            no JSON, ``error`` sends an error event, ``truncate`` ends without saying so.
        after: Tokens that are streamed before the fault.
        when: The reply is only for requests whose last message (or prompt) contains this text.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    delay: float = 0.0
    first_delay: float = 0.0
    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    status: int = 200
    message: str = "The scripted server was told to fail."
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    after: int = 0
    when: str | None = None

    def tokens(self) -> list[str]:
        """Return the text in the pieces that a stream has."""
        return _TOKEN.findall(self.text)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply cut to what one request allows."""

    tokens: tuple[str, ...]
    finish_reason: FinishReason
    usage: Usage


class Script:
    """Chooses the reply to each request.

    Replies that name a ``when`` are for the requests that match, each time. The others are used
    in order, and the last one repeats.

    Args:
        replies: The script; one friendly reply without it.
        reply_with: Chooses by the request's body instead.
    """

    def __init__(
        self,
        replies: Sequence[Reply] = (),
        reply_with: Callable[[dict[str, Any]], Reply] | None = None,
    ) -> None:
        self._reply_with = reply_with
        self._matching = [reply for reply in replies if reply.when is not None]
        self._ordered = [reply for reply in replies if reply.when is None] or [Reply("Hello!")]
        self._used = 0

    def reply_to(self, body: dict[str, Any]) -> Reply:
        """Return the reply to a request."""
        if self._reply_with is not None:
            return self._reply_with(body)
        if self._matching:
            asked = last_text(body)
            for reply in self._matching:
                if reply.when is not None and reply.when in asked:
                    return reply
        reply = self._ordered[min(self._used, len(self._ordered) - 1)]
        self._used += 1
        return reply


def last_text(body: Mapping[str, Any]) -> str:
    """Return the text of the last message, or the prompt."""
    messages = body.get("messages")
    content = messages[-1].get("content") if messages else body.get("prompt")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def cut(reply: Reply, body: Mapping[str, Any], limit: int | None) -> Answer:
    """Return what a request gets of a reply when it allows ``limit`` tokens."""
    tokens = reply.tokens()
    finish: FinishReason = "tool_calls" if reply.tool_calls else "stop"
    if limit is not None and len(tokens) > limit:
        tokens, finish = tokens[:limit], "length"
    usage = reply.usage or Usage(_prompt_tokens(body), len(tokens) + len(reply.tool_calls))
    return Answer(tuple(tokens), reply.finish_reason or finish, usage)


def _prompt_tokens(body: Mapping[str, Any]) -> int:
    texts = [last_text({"messages": [message]}) for message in body.get("messages") or ()]
    return sum(len(text.split()) for text in texts or [last_text(body)])


def vector_of(text: str, size: int = 8) -> list[float]:
    """Return numbers from -1 to 1 that depend on the text alone."""
    digest = hashlib.blake2b(text.encode(), digest_size=size).digest()
    return [byte / 127.5 - 1.0 for byte in digest]
