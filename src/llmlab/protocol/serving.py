"""How the lab's servers serve: Uvicorn with a clean end, and with bounds on what it reads.

The gate bounds bodies, and reads them with a deadline. Without a bound on heads too, one that never
ends fills the memory before anybody has asked for a key, and one that never comes keeps its
connection.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llmlab.errors import BodyTimeoutError, BodyTooLargeError, InvalidRequestError, LabError
from llmlab.protocol.errors import encode_error

MOST_HEAD = 65_536
HEAD_SECONDS = 20.0
# Longer than the coordinator's client keeps idle connections, so that it never sends into one
# that a worker closes.
KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 3


class Server(uvicorn.Server):
    """Uvicorn, but a signal ends it without ending the process before its work has ended.

    Args:
        config: Uvicorn's configuration.
        before_shutdown: Awaited before connections are closed.

    Attributes:
        listening: Set once the server answers.
    """

    def __init__(
        self, config: uvicorn.Config, *, before_shutdown: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._before_shutdown = before_shutdown

    def exit(self) -> None:
        """Begin to end."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets=sockets)
        self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of what waits, then of the connections."""
        await self._before_shutdown()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as the wish to end; the second SIGINT does not wait."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, self.handle_exit) for each in signals}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


class BoundedHttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose heads, chunk extensions and trailers end, in size and in time."""

    # Bytes read since the parser last got on: to the end of a head or a message, or a body's part.
    _held = 0
    _late: asyncio.TimerHandle | None = None
    _upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as Uvicorn's
        """Begin to serve a connection."""
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._expect_no_request()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and refuse what grows without getting anywhere."""
        self._held += len(data)
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            self._expect_no_request()
        elif self._held > MOST_HEAD:
            limit = f"{MOST_HEAD // 1024} KB"
            self._refuse(BodyTooLargeError(f"A request's head is over the limit of {limit}."))
        elif self.cycle is not None and not self.cycle.response_complete:
            self._expect_no_request()
        elif self._late is None:
            self._expect_request()

    def on_headers_complete(self) -> None:
        """Note that a head has ended."""
        self._held = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that a part of a body has come."""
        self._held = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request has ended."""
        self._held = 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket's protocol."""
        self._upgraded = True
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the one shape of errors."""
        self._refuse(InvalidRequestError(msg))

    def _expect_request(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self._refuse_late)

    def _expect_no_request(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse_late(self) -> None:
        self._late = None
        message = f"No whole request arrived within {HEAD_SECONDS:.0f} seconds."
        self._refuse(BodyTimeoutError(message))

    def _refuse(self, error: LabError) -> None:
        self._expect_no_request()
        # An answer that is under way would be mixed up with another one.
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = encode_error(error)
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n%s"
                % (error.status, HTTPStatus(error.status).phrase.encode(), len(body), body)
            )
        self.transport.close()
