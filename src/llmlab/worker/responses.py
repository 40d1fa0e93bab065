"""Responses that stop their generation when the client goes away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Protocol

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from llmlab.errors import DeadlineError, LabError
from llmlab.protocol import sse
from llmlab.protocol.access import respond
from llmlab.protocol.connection import while_connected
from llmlab.protocol.errors import encode_error
from llmlab.protocol.openai_answers import ChunkWriter
from llmlab.types import Chunk, JsonObject

# A model that answers faster than this may still fail with a proper status.
FIRST_COMMENT = 3.0
NEXT_COMMENT = 5.0
# Nobody sees this status: the client has left. Logs know it by the number that nginx chose.
CLIENT_LEFT = 499
COMMENT = b": the model is being loaded or reads the prompt\n\n"


class Chunks(Protocol):
    """Pieces of an answer; closing them stops the generation."""

    def __aiter__(self) -> AsyncIterator[Chunk]:
        """Return itself."""

    async def __anext__(self) -> Chunk:
        """Return the next piece."""

    async def aclose(self) -> None:
        """Stop."""


class GenerationResponse(Response):
    """A response that stops its generation when the client goes away, streaming or not.

    Args:
        open_chunks: Begins the generation.
        writer: Writes it down.
        stream: Whether the client gets server-sent events.
        headers: Headers of the response.
        deadline: Seconds that it may take.
    """

    def __init__(
        self,
        open_chunks: Callable[[], Chunks],
        writer: ChunkWriter,
        *,
        stream: bool,
        headers: Mapping[str, str],
        deadline: float,
    ) -> None:
        super().__init__()
        self._open_chunks = open_chunks
        self._writer = writer
        self._stream = stream
        self._extra = dict(headers)
        self._deadline = deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; errors before its first byte are raised."""
        async with aclosing(self._open_chunks()) as chunks:
            work = self._send_stream if self._stream else self._send_whole
            await while_connected(receive, work(chunks, send))

    async def _send_whole(self, chunks: Chunks, send: Send) -> None:
        async with _within(self._deadline):
            collected = [chunk async for chunk in chunks]
        await respond(send, 200, self._writer.whole(collected), headers=self._extra)

    async def _send_stream(self, chunks: Chunks, send: Send) -> None:
        events = EventStream(send, self._extra)
        comments = asyncio.create_task(events.comment_silence(), name="comments of a stream")
        try:
            async with _within(self._deadline):
                async for chunk in chunks:
                    await events.write(self._writer.payloads(chunk))
        except LabError as error:
            if not events.started:
                raise
            await events.write([encode_error(error)])
            await events.end(b"")
        else:
            await events.end(sse.DONE)
        finally:
            comments.cancel()
            await asyncio.wait({comments})


class EventStream:
    """Sends events, and a comment whenever there are none for a while.

    Args:
        send: ASGI's.
        headers: Headers of the response.

    Attributes:
        started: Whether the client has seen the status.
    """

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self.started = False
        self._send = send
        self._headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in {**headers, **sse.HEADERS}.items()
        ]
        self._last = time.monotonic()
        self._lock = asyncio.Lock()

    async def write(self, payloads: Sequence[bytes]) -> None:
        """Send some events."""
        if payloads:
            await self._send_bytes(b"".join([sse.frame(payload) for payload in payloads]))

    async def end(self, last: bytes) -> None:
        """Send the last bytes and end the response."""
        await self._send_bytes(last, more=False)

    async def comment_silence(self) -> None:
        """Keep the connection open while a model is loaded or reads a long prompt."""
        await asyncio.sleep(FIRST_COMMENT)
        with suppress(OSError):
            while True:
                silence = time.monotonic() - self._last
                if not self.started or silence >= NEXT_COMMENT:
                    await self._send_bytes(COMMENT)
                    silence = 0.0
                await asyncio.sleep(NEXT_COMMENT - silence)

    async def _send_bytes(self, data: bytes, *, more: bool = True) -> None:
        async with self._lock:
            if not self.started:
                self.started = True
                await self._send(
                    {"type": "http.response.start", "status": 200, "headers": self._headers}
                )
            await self._send({"type": "http.response.body", "body": data, "more_body": more})
            self._last = time.monotonic()


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise DeadlineError(f"The answer took longer than {seconds:g} seconds.") from error


def json_response(content: JsonObject, headers: Mapping[str, str]) -> Response:
    """Return JSON."""
    return json_bytes_response(orjson.dumps(content), headers)


def json_bytes_response(body: bytes, headers: Mapping[str, str]) -> Response:
    """Return JSON that is encoded already."""
    return Response(body, headers=dict(headers), media_type="application/json")
