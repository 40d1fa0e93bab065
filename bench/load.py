"""A load generator: closed loops over keep-alive connections, on raw sockets to cost little."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import uvloop

BodyOf = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run measured; times in milliseconds.

    ``asked`` counts all requests, ``requests`` those after the warm-up.
    """

    asked: int
    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    first_byte_p50_ms: float
    bytes_per_answer: float


class _Connection(asyncio.Protocol):
    """Sends one request at a time and finds the end of its answer."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._need: int | None = None
        self._done: asyncio.Future[None] | None = None
        self.first_byte = 0.0
        self.size = 0
        self.status = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods and not the type.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError("the server closed the connection"))

    async def ask(self, request: bytes) -> None:
        self._pending.clear()
        self._need = None
        self.first_byte = 0.0
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._done

    def data_received(self, data: bytes) -> None:
        if not self.first_byte:
            self.first_byte = time.perf_counter()
        self._pending += data
        if self._need is None and not self._read_head():
            return
        complete = (
            self._pending.endswith(b"\r\n0\r\n\r\n")
            if self._need == 0
            else len(self._pending) >= (self._need or 0)
        )
        if complete and self._done is not None and not self._done.done():
            self.size = len(self._pending)
            self._done.set_result(None)

    def _read_head(self) -> bool:
        end = self._pending.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._pending[:end]).lower()
        self.status = head[9:12]
        at = head.find(b"content-length:")
        # 0 stands for chunks, whose end is looked for.
        self._need = 0 if at < 0 else end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
        return True

    def close(self) -> None:
        self._transport.close()


def measure(
    url: str,
    path: str,
    body_of: BodyOf,
    *,
    key: str = "",
    connections: int = 16,
    seconds: float = 5.0,
    warm_up: float = 1.0,
) -> Figures:
    """Ask as fast as the server answers.

    Args:
        url: Server.
        path: Route; every request is a POST.
        body_of: Returns the JSON body of the request with a number.
        key: Bearer key.
        connections: How many ask at once.
        seconds: How long is measured.
        warm_up: How long is asked before.

    Raises:
        RuntimeError: An answer was not a 200.
    """
    run = _Run(url, path, body_of, key)
    return uvloop.run(run.measure(connections, seconds, warm_up))


class _Run:
    def __init__(self, url: str, path: str, body_of: BodyOf, key: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
            "content-type: application/json\r\ncontent-length: "
        ).encode()
        self._body_of = body_of
        self._number = 0
        self._times: list[float] = []
        self._firsts: list[float] = []
        self._bytes = 0

    async def measure(self, connections: int, seconds: float, warm_up: float) -> Figures:
        begin = time.perf_counter() + warm_up
        end = begin + seconds
        async with asyncio.TaskGroup() as group:
            for number in range(connections):
                group.create_task(self._loop(begin, end), name=f"connection {number}")
        count = len(self._times)
        cuts = statistics.quantiles(self._times, n=100)
        return Figures(
            asked=self._number,
            requests=count,
            per_second=round(count / seconds, 1),
            p50_ms=round(cuts[49] * 1000, 3),
            p99_ms=round(cuts[98] * 1000, 3),
            first_byte_p50_ms=round(statistics.median(self._firsts) * 1000, 3),
            bytes_per_answer=round(self._bytes / count, 1),
        )

    async def _loop(self, begin: float, end: float) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        try:
            while (now := time.perf_counter()) < end:
                self._number += 1
                body = self._body_of(self._number)
                await connection.ask(self._head + b"%d\r\n\r\n%b" % (len(body), body))
                if connection.status != b"200":
                    raise RuntimeError(f"an answer had status {connection.status.decode()}")
                if now >= begin:
                    self._times.append(time.perf_counter() - now)
                    self._firsts.append(connection.first_byte - now)
                    self._bytes += connection.size
        finally:
            connection.close()
