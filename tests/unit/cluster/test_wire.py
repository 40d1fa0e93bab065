"""The small HTTP client against servers that say just what a test wants, on both loops."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llmlab.cluster import wire as wire_module
from llmlab.cluster.wire import Address, Response, Wire, WireError

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

REQUEST = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\nfine"


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire(connect_timeout=2.0)
    yield wire
    await wire.aclose()


@asynccontextmanager
async def serving(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[Address]:
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Address("127.0.0.1", port, tls=tls is not None)
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def asked(reader: asyncio.StreamReader) -> bool:
    """Read one request; False when the client has gone."""
    try:
        await reader.readexactly(len(REQUEST))
    except asyncio.IncompleteReadError:
        return False
    return True


def saying(*parts: bytes, close: bool = True) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await asked(reader):
            for part in parts:
                writer.write(part)
                await writer.drain()
            if close:
                return

    return talk


async def send(wire: Wire, address: Address, *, timeout: float = 5.0) -> Response:
    return await wire.send(address, REQUEST, timeout=timeout)


async def test_an_answer_and_its_headers(wire: Wire) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno"
    async with serving(saying(busy)) as address:
        response = await send(wire, address)
        assert (response.status, response.retry_after) == (503, "7")
        assert await response.read() == b"no"
    async with serving(saying(OK)) as address:
        response = await send(wire, address)
        assert response.content_type == "application/json"
        assert await response.read() == b"fine"
        assert await response.next() == b""


async def test_connections_are_used_again(wire: Wire) -> None:
    count = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await saying(OK, close=False)(reader, writer)

    async with serving(talk) as address:
        for _ in range(5):
            assert await (await send(wire, address)).read() == b"fine"
        assert count == 1
        both = await asyncio.gather(send(wire, address), send(wire, address))
        assert [await response.read() for response in both] == [b"fine", b"fine"]
        assert count == 2


async def test_a_connection_that_was_idle_for_long_is_not_used(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "KEEP_ALIVE", -1.0)
    count = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await saying(OK, close=False)(reader, writer)

    async with serving(talk) as address:
        for _ in range(2):
            await (await send(wire, address)).read()
        assert count == 2


async def test_a_kept_connection_that_closes_at_that_moment_is_replaced(wire: Wire) -> None:
    count = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await asked(reader)
        writer.write(OK)
        if count == 1:
            # The next request arrives, and finds a server that is closing.
            await asked(reader)

    async with serving(talk) as address:
        assert await (await send(wire, address)).read() == b"fine"
        assert await (await send(wire, address)).read() == b"fine"
        assert count == 2


async def test_a_new_connection_that_closes_is_an_error(wire: Wire) -> None:
    async with serving(saying(b"")) as address:
        with pytest.raises(WireError):
            await send(wire, address)


async def test_bodies_of_every_kind(wire: Wire) -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    async with serving(saying(chunked, b"3\r\none\r\n", b"3\r\ntwo\r\n0\r\n\r\n")) as address:
        assert await (await send(wire, address)).read() == b"onetwo"
    async with serving(saying(b"HTTP/1.1 200 OK\r\n\r\nuntil ", b"the end")) as address:
        assert await (await send(wire, address)).read() == b"until the end"
    async with serving(saying(b"HTTP/1.1 204 None\r\n\r\n", close=False)) as address:
        assert await (await send(wire, address)).read() == b""
    async with serving(saying(b"HTTP/1.1 100 Continue\r\n\r\n", OK)) as address:
        assert await (await send(wire, address)).read() == b"fine"
    closing = OK.replace(b"\r\ncontent-type", b"\r\nconnection: close\r\ncontent-type")
    async with serving(saying(closing)) as address:
        assert await (await send(wire, address)).read() == b"fine"


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nrubbish",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x01\x02",
    ],
)
async def test_broken_answers_are_errors(wire: Wire, broken: bytes) -> None:
    async with serving(saying(broken)) as address:
        with pytest.raises(WireError):
            await (await send(wire, address)).read()


async def test_headers_without_an_end_are_an_error(wire: Wire) -> None:
    line = b"x-header: " + b"y" * 1000 + b"\r\n"
    async with serving(saying(b"HTTP/1.1 200 OK\r\n", *[line] * 200, close=False)) as address:
        with pytest.raises(WireError):
            await send(wire, address)


async def test_silence_meets_the_deadline(wire: Wire) -> None:
    async with serving(saying(b"", close=False)) as address:
        with pytest.raises(TimeoutError):
            await send(wire, address, timeout=0.05)
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"
    async with serving(saying(head, close=False)) as address:
        response = await send(wire, address, timeout=0.1)
        assert await response.next() == b"half"
        with pytest.raises(TimeoutError):
            await response.next()


async def test_what_nobody_asked_for_ends_the_connection(wire: Wire) -> None:
    async with serving(saying(OK + OK, OK, close=False)) as address:
        assert await (await send(wire, address)).read() == b"fine"
        assert await (await send(wire, address)).read() == b"fine"


async def test_leaving_closes_the_connection(wire: Wire) -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await reader.read()
        gone.set()

    async with serving(talk) as address:
        response = await send(wire, address)
        assert await response.next() == b"one"
        response.close()
        async with asyncio.timeout(5):
            await gone.wait()


async def test_a_cancelled_request_closes_the_connection(wire: Wire) -> None:
    there, gone = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        there.set()
        await reader.read()
        gone.set()

    async with serving(talk) as address:
        asking = asyncio.create_task(send(wire, address))
        async with asyncio.timeout(5):
            await there.wait()
            asking.cancel()
            await gone.wait()


async def test_a_fast_server_waits_for_a_slow_reader(wire: Wire) -> None:
    size, sent = 20_000_000, 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await asked(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // 100_000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000
        await reader.read()

    async with serving(talk) as address:
        response = await send(wire, address)
        # Time enough for all of it, if nothing held the server back.
        for _ in range(200):
            await asyncio.sleep(0.001)
        assert sent < size
        assert len(await response.read()) == size
        # The connection is as good as new.
        again = asyncio.create_task(send(wire, address, timeout=0.2))
        await asyncio.wait([again])


async def test_who_cannot_be_reached(wire: Wire) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the loops' words differ
        await send(wire, Address("127.0.0.1", 9, tls=False))
    with pytest.raises(OSError):  # noqa: PT011
        await send(wire, Address("no-such-host.invalid", 80, tls=False))


async def test_a_server_without_tls_is_no_tls_server(wire: Wire) -> None:
    async with serving(saying(OK)) as address:
        with pytest.raises(OSError):  # noqa: PT011
            await send(wire, Address(address.host, address.port, tls=True))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that nobody trusts, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    command = f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return made, key


async def test_tls_with_a_certificate_that_is_trusted(
    wire: Wire, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    async with serving(saying(OK, close=False), context) as address:
        for _ in range(2):
            assert await (await send(wire, address)).read() == b"fine"


async def test_tls_with_a_certificate_that_is_not(
    wire: Wire, certificate: tuple[Path, Path]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    async with serving(saying(OK), context) as address:
        with pytest.raises(ssl.SSLCertVerificationError):
            await send(wire, address)


def test_addresses() -> None:
    assert Address.of("http://box:8080/v1") == Address("box", 8080, tls=False)
    assert Address.of("https://api.example.com/v1") == Address("api.example.com", 443, tls=True)
    assert Address.of("http://[::1]:80") == Address("::1", 80, tls=False)
