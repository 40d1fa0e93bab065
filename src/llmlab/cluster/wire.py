"""A small HTTP/1.1 client for the hot path: pooled connections, httptools' parser, no middlemen.

It sends JSON and takes whole or streamed answers, and knows nothing else: no redirects, cookies,
compression or proxies. Decision 10 says why it stands beside larger libraries.

Source: RFC 9112 (HTTP/1.1 messages).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

MAX_HEAD = 65_536
# Bytes that may wait for a slow reader before the node is made to wait.
MAX_WAITING = 262_144
# What is read whole: embeddings of a full request are the largest.
MAX_BODY = 134_217_728
MAX_IDLE = 256
# Shorter than the idle time that the usual servers grant (uvicorn and llama-server: 5 s).
KEEP_ALIVE = 4.0


class WireError(ConnectionError):
    """The other end broke the protocol, or the connection."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where connections go to."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """Return the address of an http or https URL."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls)


class Response:
    """An answer while it arrives.

    Attributes:
        status: HTTP status.
        content_type: The header, or an empty text.
        retry_after: The header, if there is one.
    """

    __slots__ = (
        "_connection",
        "_ended",
        "_error",
        "_loop",
        "_pieces",
        "_timeout",
        "_waiter",
        "_waiting",
        "content_type",
        "retry_after",
        "status",
    )

    def __init__(self, connection: _Connection, timeout: float) -> None:
        self.status = 0
        self.content_type = ""
        self.retry_after: str | None = None
        self._connection: _Connection | None = connection
        self._loop = connection.loop
        self._timeout = timeout
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._error: Exception | None = None

    async def head(self) -> None:
        """Wait for status and headers.

        Raises:
            WireError: The connection broke.
            TimeoutError: The other end was silent for too long.
        """
        while self.status == 0:
            await self._wait()

    async def next(self) -> bytes:
        """Return what has arrived, or wait for more; empty at the end. Raises as :meth:`head`."""
        while not self._pieces:
            if self._ended:
                return b""
            await self._wait()
        pieces, self._pieces = self._pieces, []
        if self._waiting > MAX_WAITING and self._connection is not None:
            self._connection.resume()
        self._waiting = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self, limit: int = MAX_BODY) -> bytes:
        """Return the whole body, of ``limit`` bytes at most. Raises as :meth:`head`."""
        body = await self.next()
        if self._ended and not self._pieces:
            return body
        parts, size = [body], len(body)
        while piece := await self.next():
            parts.append(piece)
            size += len(piece)
            if size > limit:
                self.close()
                raise WireError(f"its answer is over the limit of {limit // 1_000_000} MB")
        return b"".join(parts)

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(self._timeout, _expire, waiter)
        try:
            await waiter
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()
            self._waiter = None

    def close(self) -> None:
        """Let go; an answer that is not complete takes its connection along."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    # What the connection tells:

    def began(self, status: int) -> None:
        """Note that status and headers are there."""
        self.status = status
        self._wake()

    def add(self, piece: bytes) -> int:
        """Take a piece of the body; return how many bytes wait now."""
        self._pieces.append(piece)
        self._waiting += len(piece)
        self._wake()
        return self._waiting

    def end(self, error: Exception | None = None) -> None:
        """Note that nothing more comes."""
        self._connection = None
        if error is None:
            self._ended = True
        else:
            self._error = error
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class _Connection(asyncio.Protocol):
    """One connection: one exchange at a time, then it is idle until the next."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_idle: Callable[[_Connection], None]
    ) -> None:
        self.loop = loop
        self.idle_since = 0.0
        self.closed = False
        self._on_idle = on_idle
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._response: Response | None = None
        self._head_size = 0
        self._sized = False
        self._paused = False

    def is_usable(self) -> bool:
        """Whether it is idle, open, and was used a short while ago."""
        if self.closed or self._transport is None or self._transport.is_closing():
            return False
        return self.loop.time() - self.idle_since <= KEEP_ALIVE

    def exchange(self, message: bytes, timeout: float) -> Response:
        """Send a request and return the response to come."""
        assert self._transport is not None
        response = self._response = Response(self, timeout)
        self._head_size = 0
        self._sized = False
        self._transport.write(message)
        return response

    def resume(self) -> None:
        """Let the other end send again."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once."""
        self.closed = True
        self._response = None
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not `isinstance`: uvloop's transports are asyncio's by behaviour alone.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._response is None:
            # Nobody asked.
            self.abort()
            return
        if self._response.status == 0:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(WireError(f"what came is no HTTP: {error}"))
            return
        if self._head_size > MAX_HEAD and self._response is not None and not self._response.status:
            self._fail(WireError("the headers have no end"))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        response, self._response = self._response, None
        if response is None:
            return
        if error is None and response.status and not self._sized:
            # A body without a length ends with the connection.
            response.end()
        else:
            response.end(WireError("the connection was closed"))

    def _fail(self, error: WireError) -> None:
        response = self._response
        self.abort()
        if response is not None:
            response.end(error)

    # httptools' parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what matters here."""
        response = self._response
        if response is None:
            return
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._sized = True
        elif name == b"content-type":
            response.content_type = value.decode("latin-1")
        elif name == b"retry-after":
            response.retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Tell that the answer begins; interim answers (1xx) are passed over."""
        status = self._parser.get_status_code()
        if self._response is not None and status >= 200:
            self._response.began(status)

    def on_body(self, piece: bytes) -> None:
        """Hand a piece on."""
        response = self._response
        if response is not None and response.add(piece) > MAX_WAITING and not self._paused:
            assert self._transport is not None
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """End the exchange; the connection is free if the other end keeps it."""
        response = self._response
        if response is None or response.status == 0:
            return
        self._response = None
        response.end()
        self.resume()
        if self._parser.should_keep_alive():
            self._on_idle(self)
        else:
            self.abort()


class Wire:
    """Connections to all nodes.

    Args:
        connect_timeout: Seconds that a connection may take to be made.
    """

    def __init__(self, *, connect_timeout: float = 5.0) -> None:
        self._connect_timeout = connect_timeout
        self._idle: dict[Address, deque[_Connection]] = {}
        self._context: ssl.SSLContext | None = None

    async def send(self, address: Address, message: bytes, *, timeout: float) -> Response:
        """Send a request; returns when the head of the response is there.

        Args:
            address: Whom to.
            message: The whole request, head and body.
            timeout: Longest silence in seconds.

        Raises:
            OSError: There is no connection, or it broke.
            TimeoutError: The other end was silent for too long.
        """
        connection = self._kept(address)
        if connection is not None:
            response = connection.exchange(message, timeout)
            try:
                await response.head()
            except WireError:
                # The other end may have closed it at the same moment, for it was idle.
                if response.status:
                    raise
            else:
                return response
        connection = await self._connect(address)
        response = connection.exchange(message, timeout)
        await response.head()
        return response

    def _kept(self, address: Address) -> _Connection | None:
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                return connection
            connection.abort()
        return None

    async def _connect(self, address: Address) -> _Connection:
        loop = asyncio.get_running_loop()
        context = None
        if address.tls:
            if self._context is None:
                self._context = await asyncio.to_thread(ssl.create_default_context)
            context = self._context

        def keep(connection: _Connection) -> None:
            idle = self._idle.setdefault(address, deque())
            connection.idle_since = loop.time()
            idle.append(connection)
            if len(idle) > MAX_IDLE:
                idle.popleft().abort()

        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop, keep), address.host, address.port, ssl=context
                )
        except TimeoutError as error:
            raise WireError("there was no connection in time") from error
        return connection

    async def aclose(self) -> None:
        """Close the idle connections; the others belong to those who read from them."""
        for idle in self._idle.values():
            for connection in idle:
                connection.abort()
        self._idle.clear()
        # A transport reports its end in the next round of the loop.
        await asyncio.sleep(0)
