"""Small iterators over an answer's stream; each can be closed before it was begun."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Any

from llmlab.cluster.calls import Piece, Reply
from llmlab.protocol import sse
from llmlab.protocol.openai_answers import read_chunks
from llmlab.types import Chunk, Usage

_EVENT_ENDS = (b"\n\n", b"\r\n\r\n")
_EVENT = re.compile(rb".*?(?:\n\n|\r\n\r\n|\Z)", re.DOTALL)
_LONGEST_HALF = 1_000_000


class ShownEvents:
    """The events that a client sees of a generation; all bytes pass untouched but one event.

    Args:
        pieces: The generation: bytes cut anywhere, and at its end perhaps token counts.
        with_usage: Whether the client asked for usage; else the event that carries only
            that is left out.

    Attributes:
        usage: Token counts, once they are known.
    """

    __slots__ = ("_held", "_pieces", "_with_usage", "usage")

    def __init__(self, pieces: AsyncIterator[Piece], *, with_usage: bool) -> None:
        self.usage: Usage | None = None
        self._pieces = pieces
        self._with_usage = with_usage
        self._held = b""

    def __aiter__(self) -> ShownEvents:
        return self

    async def __anext__(self) -> bytes:
        async for piece in self._pieces:
            if not isinstance(piece, bytes):
                self.usage = piece
                continue
            if self._with_usage:
                return piece
            if not self._held and piece.endswith(_EVENT_ENDS) and not _may_be_usage(piece):
                return piece
            if sifted := self._sifted(piece):
                return sifted
        held, self._held = self._held, b""
        if held:
            return held
        raise StopAsyncIteration

    def _sifted(self, piece: bytes) -> bytes:
        text = self._held + piece
        # No client can use half an event, so that half waits for the other.
        end = max(_end_of(text, mark) for mark in _EVENT_ENDS)
        if end == 0 and len(text) > _LONGEST_HALF:
            end = len(text)
        whole, self._held = text[:end], text[end:]
        if not _may_be_usage(whole):
            return whole
        return b"".join(event for event in _EVENT.findall(whole) if not _is_usage(event))


def _end_of(text: bytes, mark: bytes) -> int:
    position = text.rfind(mark)
    return position + len(mark) if position >= 0 else 0


def _may_be_usage(text: bytes) -> bool:
    return b'"choices":[]' in text or b'"choices": []' in text


def _is_usage(event: bytes) -> bool:
    return _may_be_usage(event) and b'"usage"' in event


class ChunkStream(AsyncGenerator[Chunk, None]):
    """The chunks of a reply to a streaming call.

    Args:
        reply: The reply; closing the stream closes it.
    """

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._payloads = sse.payloads(_pieces(reply))
        self._ready: list[Chunk] = []
        self._over = False

    async def __anext__(self) -> Chunk:
        while not self._ready:
            payload = sse.DONE_PAYLOAD if self._over else await self._payload()
            if payload == sse.DONE_PAYLOAD:
                await self.aclose()
                raise StopAsyncIteration
            self._ready = read_chunks(payload)
        return self._ready.pop(0)

    async def _payload(self) -> bytes:
        return await anext(self._payloads, sse.DONE_PAYLOAD)

    async def asend(self, value: None) -> Chunk:
        """Return the next chunk."""
        del value
        return await self.__anext__()

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: object = None,
        tb: TracebackType | None = None,
    ) -> Any:
        """Stop, and raise."""
        await self.aclose()
        return await super().athrow(typ, val, tb)  # type: ignore[arg-type]

    async def aclose(self) -> None:
        """Stop the generation."""
        if not self._over:
            self._over = True
            await self._reply.__aexit__(None, None, None)


async def _pieces(reply: Reply) -> AsyncIterator[bytes]:
    if reply.pieces is None:
        yield reply.body or b""
        return
    async for piece in reply.pieces:
        yield piece
