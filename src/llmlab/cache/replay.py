"""Turns stored answers into the form that a client asks for: whole, or as a stream.

The cache keeps whole answers (:func:`settle`): they are smaller than a recorded stream, and both
forms are made from them in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson

from llmlab.cache.manager import CachedAnswer
from llmlab.errors import EngineError, LabError
from llmlab.protocol import sse
from llmlab.protocol.openai_answers import ChunkWriter, read_chunks
from llmlab.types import Chunk, Operation

# An answer that stopped for another reason was cut off or censored: not for keeping.
_GOOD_ENDS = frozenset({"stop", "tool_calls"})
_PLAIN = frozenset({"role", "content"})


def settle(answer: CachedAnswer) -> CachedAnswer | None:
    """Return an answer in the form in which it is kept, or None if it must not be kept.

    Errors, streams that were cut off, and answers cut off by a token limit are not kept.
    """
    if not answer.body:
        return None
    try:
        body = whole(answer)
        content = orjson.loads(body)
        ends = [choice.get("finish_reason") for choice in content["choices"]]
    except (LabError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    good = bool(ends) and all(end in _GOOD_ENDS for end in ends)
    return replace(answer, body=body, stream=False) if good else None


def whole(answer: CachedAnswer) -> bytes:
    """Return the JSON that a client gets that does not stream.

    Raises:
        EngineError: A recorded stream is cut off or is none.
    """
    if not answer.stream:
        return answer.body
    events = _events(answer.body)
    writer = _writer(_decoded(events[0]))
    return writer.whole(_merged(events))


def stream(answer: CachedAnswer, *, include_usage: bool) -> bytes:
    """Return the server-sent events that a streaming client gets, the end marker included.

    Raises:
        EngineError: A recorded stream is cut off or is none.
    """
    events = _events(answer.body) if answer.stream else [answer.body]
    writer = _writer(_decoded(events[0]), include_usage=include_usage)
    chunks = [chunk for event in events for chunk in read_chunks(event)]
    if not answer.stream:
        chunks = [piece for chunk in chunks for piece in _parted(chunk)]
    return b"".join(_framed(writer, chunks)) + sse.DONE


def _framed(writer: ChunkWriter, chunks: Iterable[Chunk]) -> Iterable[bytes]:
    return (sse.frame(payload) for chunk in chunks for payload in writer.payloads(chunk))


def _parted(chunk: Chunk) -> list[Chunk]:
    # A stream tells the finish in an event of its own, without text.
    if chunk.finish_reason is None:
        return [chunk]
    end = Chunk(index=chunk.index, finish_reason=chunk.finish_reason)
    return [replace(chunk, finish_reason=None), end]


def _events(recorded: bytes) -> list[bytes]:
    lines = [line.strip() for line in recorded.split(b"\n")]
    events = [line[5:].strip() for line in lines if line.startswith(b"data:")]
    if len(events) < 2 or events[-1] != sse.DONE_PAYLOAD:
        raise EngineError("The recorded stream is cut off.")
    return events[:-1]


def _merged(events: list[bytes]) -> list[Chunk]:
    """Read a stream, its runs of plain text as one chunk each: most events are those."""
    chunks: list[Chunk] = []
    text: list[str] = []
    # One call of the decoder costs far less than one for each event.
    for event, content in zip(events, _decoded_all(events), strict=True):
        if (piece := _plain_text(content)) is not None:
            text.append(piece)
            continue
        if text:
            chunks.append(Chunk("".join(text)))
            text.clear()
        chunks += read_chunks(event)
    return [*chunks, Chunk("".join(text))] if text else chunks


def _plain_text(content: dict[str, Any]) -> str | None:
    choices = content.get("choices")
    if not choices or len(choices) > 1 or content.get("usage") or "error" in content:
        return None
    choice = choices[0]
    if choice.get("index") or choice.get("finish_reason") or choice.get("logprobs"):
        return None
    delta = choice.get("delta")
    if delta is None or not delta.keys() <= _PLAIN:
        return None
    piece = delta.get("content")
    return piece if isinstance(piece, str) else None


def _decoded_all(events: list[bytes]) -> list[dict[str, Any]]:
    contents: list[dict[str, Any]] = _decoded(b"[" + b",".join(events) + b"]")
    if len(contents) != len(events) or not all(isinstance(each, dict) for each in contents):
        raise EngineError("The recorded stream holds something that is no OpenAI chunk.")
    return contents


def _decoded(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise EngineError("The recorded stream holds something that is no JSON.") from error


def _writer(first: dict[str, Any], *, include_usage: bool = False) -> ChunkWriter:
    chat = str(first.get("object", "")).startswith("chat.")
    operation: Operation = "chat" if chat else "completion"
    writer = ChunkWriter(str(first.get("model", "")), operation, include_usage=include_usage)
    writer.id = str(first.get("id") or writer.id)
    created = first.get("created")
    writer.created = created if isinstance(created, int) else writer.created
    return writer
