"""Answers in OpenAI's form: read from engines, and written for clients.

Source: OpenAI API reference, chat completions, completions, embeddings and models.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, cast

import orjson

from llmlab.errors import EngineError
from llmlab.protocol.logprobs import as_completion, joined
from llmlab.protocol.openai import message_body
from llmlab.types import (
    Chunk,
    FinishReason,
    JsonObject,
    JsonValue,
    Message,
    Operation,
    ToolCall,
    ToolCallDelta,
    Usage,
    new_id,
)

FINISH_REASONS: frozenset[str] = frozenset({"stop", "length", "tool_calls", "content_filter"})


def read_usage(body: object) -> Usage | None:
    """Read a ``usage`` object; None where there is none."""
    if not isinstance(body, dict):
        return None
    details = body.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(
        int(body.get("prompt_tokens") or 0),
        int(body.get("completion_tokens") or 0),
        int(cached or 0),
    )


def usage_body(usage: Usage) -> JsonObject:
    """Return token counts as a ``usage`` object."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def read_chunks(payload: bytes) -> list[Chunk]:
    """Read one event of an OpenAI stream (chat or completion).

    Raises:
        EngineError: The payload is not such an event, or it carries an error.
    """
    try:
        event = orjson.loads(payload)
        if "error" in event:
            raise _stream_error(payload)
        chunks = [_read_choice(choice) for choice in event.get("choices") or ()]
        usage = read_usage(event.get("usage"))
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError, KeyError) as error:
        raise EngineError("The engine streamed something that is no OpenAI chunk.") from error
    if usage is not None:
        chunks.append(Chunk(usage=usage))
    return chunks


def _stream_error(payload: bytes) -> Exception:
    from llmlab.protocol.errors import decode_error

    return decode_error(502, payload)


def _read_choice(choice: dict[str, Any]) -> Chunk:
    # A full (not streamed) answer has `message` where a stream has `delta`.
    delta = choice.get("delta") or choice.get("message") or {}
    reason = choice.get("finish_reason")
    return Chunk(
        text=_text(delta.get("content") or choice.get("text")),
        index=int(choice.get("index") or 0),
        reasoning=_text(delta.get("reasoning_content")),
        tool_calls=tuple(
            _read_call(position, call)
            for position, call in enumerate(delta.get("tool_calls") or ())
        ),
        logprobs=choice.get("logprobs"),
        finish_reason=cast("FinishReason", reason if reason in FINISH_REASONS else "stop")
        if reason
        else None,
    )


def _text(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise TypeError("a piece of an answer is no text")
    return value or ""


def _read_call(position: int, call: dict[str, Any]) -> ToolCallDelta:
    function = call.get("function") or {}
    arguments = function.get("arguments") or ""
    return ToolCallDelta(
        int(call.get("index", position)),
        _text(call.get("id")) or None,
        _text(function.get("name")) or None,
        arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode(),
    )


class ChunkWriter:
    """Writes an answer in OpenAI's form: as stream payloads, or whole.

    Args:
        model: The name that the client asked for.
        operation: Chat or completion.
        include_usage: Whether the client asked for usage in a stream.
    """

    def __init__(self, model: str, operation: Operation, *, include_usage: bool = False) -> None:
        self.model = model
        self.operation = operation
        self.include_usage = include_usage
        self.id = new_id("chatcmpl" if operation == "chat" else "cmpl")
        self.created = int(time.time())
        self._started: set[int] = set()
        self._offsets: dict[int, int] = {}

    def payloads(self, chunk: Chunk) -> list[bytes]:
        """Return the stream payloads (none, one or more) of a chunk, without framing."""
        written: list[bytes] = []
        visible = chunk.text or chunk.reasoning or chunk.tool_calls or chunk.finish_reason
        if visible:
            written.append(self._event([self._stream_choice(chunk)]))
        if chunk.usage is not None and self.include_usage:
            written.append(self._event([], usage_body(chunk.usage)))
        return written

    def whole(self, chunks: Iterable[Chunk]) -> bytes:
        """Return the answer that a client gets that does not stream."""
        choices: dict[int, _Choice] = {}
        usage = Usage()
        for chunk in chunks:
            if chunk.usage is not None:
                usage = chunk.usage
            if chunk.usage is None or chunk.text or chunk.tool_calls or chunk.finish_reason:
                choices.setdefault(chunk.index, _Choice()).add(chunk)
        body = self._envelope(stream=False) | {
            "choices": [choices[index].body(index, self.operation) for index in sorted(choices)],
            "usage": usage_body(usage),
        }
        return orjson.dumps(body)

    def _envelope(self, *, stream: bool) -> JsonObject:
        kind = "text_completion"
        if self.operation == "chat":
            kind = "chat.completion.chunk" if stream else "chat.completion"
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _event(self, choices: list[JsonValue], usage: JsonObject | None = None) -> bytes:
        body = self._envelope(stream=True) | {"choices": choices}
        if self.include_usage:
            body["usage"] = usage
        return orjson.dumps(body)

    def _stream_choice(self, chunk: Chunk) -> JsonObject:
        choice: JsonObject = {"index": chunk.index}
        if self.operation == "completion":
            choice["text"] = chunk.text
        else:
            choice["delta"] = self._delta(chunk)
        return choice | {"logprobs": self._logprobs(chunk), "finish_reason": chunk.finish_reason}

    def _logprobs(self, chunk: Chunk) -> JsonObject | None:
        if self.operation == "chat":
            return chunk.logprobs
        offset = self._offsets.get(chunk.index, 0)
        self._offsets[chunk.index] = offset + len(chunk.text)
        return as_completion(chunk.logprobs, offset) if chunk.logprobs else None

    def _delta(self, chunk: Chunk) -> JsonObject:
        delta: JsonObject = {}
        if chunk.index not in self._started:
            self._started.add(chunk.index)
            delta |= {"role": "assistant", "content": "" if not chunk.tool_calls else None}
        if chunk.text:
            delta["content"] = chunk.text
        if chunk.reasoning:
            delta["reasoning_content"] = chunk.reasoning
        if chunk.tool_calls:
            delta["tool_calls"] = [_delta_call(call) for call in chunk.tool_calls]
        return delta


def _delta_call(call: ToolCallDelta) -> JsonObject:
    function: JsonObject = {"arguments": call.arguments}
    body: JsonObject = {"index": call.index, "function": function}
    if call.id is not None:
        body |= {"id": call.id, "type": "function"}
    if call.name is not None:
        function["name"] = call.name
    return body


class _Choice:
    """One choice of an answer while it is put together."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.calls: dict[int, ToolCall] = {}
        self.logprobs: list[tuple[int, JsonObject]] = []
        self.length = 0
        self.finish_reason: str | None = None

    def add(self, chunk: Chunk) -> None:
        self.text.append(chunk.text)
        self.reasoning.append(chunk.reasoning)
        for delta in chunk.tool_calls:
            known = self.calls.get(delta.index, ToolCall("", "", ""))
            self.calls[delta.index] = ToolCall(
                delta.id or known.id,
                known.name or delta.name or "",
                known.arguments + delta.arguments,
            )
        if chunk.logprobs:
            self.logprobs.append((self.length, chunk.logprobs))
        self.length += len(chunk.text)
        self.finish_reason = chunk.finish_reason or self.finish_reason

    def body(self, index: int, operation: Operation) -> JsonObject:
        choice: JsonObject = {"index": index, "finish_reason": self.finish_reason}
        text = "".join(self.text)
        if operation == "completion":
            parts = (as_completion(part, offset) for offset, part in self.logprobs)
            return choice | {"logprobs": joined(parts), "text": text}
        choice["logprobs"] = joined(part for _, part in self.logprobs)
        calls = tuple(self.calls[position] for position in sorted(self.calls))
        message = message_body(Message("assistant", text or (None if calls else ""), None, calls))
        if reasoning := "".join(self.reasoning):
            message["reasoning_content"] = reasoning
        return choice | {"message": message}


def embeddings_body(model: str, vectors: list[list[float]], usage: Usage) -> JsonObject:
    """Return embeddings (one vector of floats for each input) in OpenAI's form."""
    return {
        "object": "list",
        "model": model,
        "data": [
            {"object": "embedding", "index": index, "embedding": cast("list[JsonValue]", vector)}
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens},
    }


def models_body(models: Iterable[tuple[str, str]]) -> JsonObject:
    """Return a model list in OpenAI's form from pairs of id and owner."""
    return {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": 0, "owned_by": owner}
            for name, owner in models
        ],
    }
