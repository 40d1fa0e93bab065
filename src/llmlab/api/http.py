"""Uvicorn's HTTP protocol, with the head and the body of an answer in one packet."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from llmlab.protocol.serving import BoundedHttpProtocol

MOST_WAITING = 65_536


class MergingTransport:
    """Sends what is written in one round of the loop at once.

    Uvicorn writes the head of an answer and its body apart, and each write is a call into the
    kernel, a packet, and a client that wakes up.

    Args:
        transport: What sends; everything but writing is left to it.
        loop: The loop that it runs on.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send soon."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)
        self._size += len(data)
        # Who writes much without a pause must learn from the transport that the client is slow.
        if self._size > MOST_WAITING:
            self._flush()

    def writelines(self, data: list[bytes]) -> None:
        """Send soon."""
        self.write(b"".join(data))

    def close(self) -> None:
        """Send what waits, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        waiting, self._waiting, self._size = self._waiting, [], 0
        if waiting and not self._transport.is_closing():
            self._transport.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))


class MergingHttpProtocol(BoundedHttpProtocol):
    """HTTP/1.1 as Uvicorn speaks it, over a merging transport."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve a connection."""
        merging = MergingTransport(cast("asyncio.Transport", transport), self.loop)
        super().connection_made(cast("asyncio.Transport", merging))
