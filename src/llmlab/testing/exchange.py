"""One request to a scripted server, and the ways to answer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from aiohttp import web

from llmlab.testing.script import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmlab.testing.script import Script


class ServerState(Protocol):
    """What a dialect knows of its server."""

    models: list[str]
    script: Script
    embed: Callable[[str], list[float]]
    embedding_fault: Reply | None
    any_model: bool
    request_count: int


class Exchange:
    """A request with its decoded body; builds the responses."""

    def __init__(self, server: ServerState, request: web.BaseRequest, body: dict[str, Any]) -> None:
        self.server = server
        self.request = request
        self.body = body

    @property
    def model(self) -> str:
        """The model that the request names."""
        return str(self.body.get("model", ""))

    @property
    def knows_model(self) -> bool:
        """Whether the server has that model."""
        return self.server.any_model or self.model in self.server.models

    def json(
        self, content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        """Return a JSON response."""
        return web.Response(
            body=orjson.dumps(content),
            status=status,
            content_type="application/json",
            headers=headers,
        )

    def error(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Return an error in OpenAI's shape."""
        kind = "invalid_request_error" if status < 500 else "server_error"
        body = {"message": message, "type": kind, "code": code, "param": None}
        return self.json({"error": body}, status=status, headers=headers)

    async def stream(
        self, reply: Reply, content_type: str, frames: AsyncIterator[bytes]
    ) -> web.StreamResponse:
        """Send frames as they come; an abrupt end is the script's wish."""
        response = web.StreamResponse(
            headers={**reply.headers, "Content-Type": content_type, "Cache-Control": "no-cache"}
        )
        await response.prepare(self.request)
        async for frame in frames:
            await response.write(frame)
        if reply.fault == "close":
            self.abort()
        else:
            await response.write_eof()
        return response

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self.request.transport is not None:
            self.request.transport.abort()


async def play(
    reply: Reply, frames: Iterable[bytes], *, garbage: bytes, error: bytes
) -> AsyncIterator[bytes]:
    """Yield frames in the script's time, up to its fault.

    Args:
        reply: The script.
        frames: One frame for each token.
        garbage: The frame of the fault ``garbage``.
        error: The frame of the fault ``error``.
    """
    for count, frame in enumerate(frames):
        if reply.fault is not None and count == reply.after:
            break
        if count and reply.delay:
            await asyncio.sleep(reply.delay)
        yield frame
    if reply.fault == "hang":
        await asyncio.Event().wait()
    if reply.fault in ("garbage", "error"):
        yield garbage if reply.fault == "garbage" else error


async def wait_like(reply: Reply, tokens: int) -> None:
    """Wait as long as a stream of so many tokens takes; for ever, if the script says so."""
    if reply.fault == "hang":
        await asyncio.Event().wait()
    if reply.delay and tokens > 1:
        await asyncio.sleep(reply.delay * (tokens - 1))
