"""Heads of requests end, in size and in time, before anybody is asked for a key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn

from llmlab.protocol import serving
from llmlab.protocol.access import Receive, Scope, Send, respond
from llmlab.protocol.serving import BoundedHttpProtocol


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    await respond(send, 200, b"{}")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(
        _app, port=0, http=BoundedHttpProtocol, ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def _answer(port: int, *parts: bytes) -> bytes:
    """Send parts for as long as somebody reads them; return all that is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b"closed"
    finally:
        writer.close()


HOST = b"Host: localhost\r\n"
CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = b"a" * 1_000_000


@pytest.mark.parametrize(
    ("beginning", "endless"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST, b"X-More: " + b"a" * 1000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X-More: ", b"a" * 1000),
        (b"GET /", b"a" * 1000),
        (CHUNKED + b"0\r\n", b"X-More: " + b"a" * 1000 + b"\r\n"),
        (CHUNKED + b"5;", b"a" * 1000),
    ],
    ids=["headers", "a header", "address", "trailers", "chunk extension"],
)
async def test_what_does_not_end_is_refused(port: int, beginning: bytes, endless: bytes) -> None:
    answer = await _answer(port, beginning, *[endless] * 600)
    # Whoever goes on sending may lose the answer to the reset of the connection.
    assert answer == b"closed" or answer.startswith(b"HTTP/1.1 413")
    assert (await _answer(port, b"GET / HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_large_bodies_are_no_heads(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nConnection: close\r\n" + HOST
    whole = head + b"Content-Length: 3000000\r\n\r\n"
    assert (await _answer(port, whole, *[MEGABYTE] * 3)).startswith(b"HTTP/1.1 200")
    chunk = b"f4240\r\n" + MEGABYTE + b"\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    assert (await _answer(port, chunked, *[chunk] * 3, b"0\r\n\r\n")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("slow", [b"", b"GET / HTTP/1.1\r\n"], ids=["nothing", "half a head"])
async def test_a_request_that_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch, slow: bytes
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.2)
    answer = await _answer(port, slow)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"' in answer


async def test_half_a_second_request_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    await reader.readuntil(b"{}")
    writer.write(b"GET /again")
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 408")
    writer.close()


async def test_an_idle_connection_is_kept(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.3)
    writer.close()


async def test_what_is_no_http_gets_the_one_shape(port: int) -> None:
    answer = await _answer(port, b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'{"error":{"message":' in answer
