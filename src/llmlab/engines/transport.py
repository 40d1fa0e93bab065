"""How engines dial a server: pooled connections, deadlines, bounded reads, our own errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import orjson

from llmlab.errors import (
    DeadlineError,
    EngineError,
    InvalidRequestError,
    LabError,
    ModelLoadingError,
    ModelNotFoundError,
    NodeUnreachableError,
    UnavailableError,
)
from llmlab.protocol.errors import decode_error

ERROR_LIMIT = 64 * 1024
JSON_LIMIT = 64 * 1024 * 1024

Translator = Callable[[int, bytes, str | None], LabError]


class Transport:
    """Connections to one server, made on the loop that uses them first.

    Args:
        base_url: Address that paths are appended to.
        headers: Headers of every request.
        timeout: Longest time that a call may take, its whole stream included, in seconds.
        connect_timeout: Longest time to get a connection.
        keep_connections: Whether connections are used again.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 300.0,
        connect_timeout: float = 5.0,
        keep_connections: bool = True,
    ) -> None:
        self.base_url = base_url
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._keep_connections = keep_connections
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def stream(
        self, path: str, body: object
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, AsyncIterator[bytes]]]:
        """Post a body and give the response and its bytes as they come.

        Leaving the context early closes the connection, which tells the server to stop.

        Raises:
            LabError: The server refused, failed, or cannot be reached.
        """
        with self.translated():
            async with self._request("POST", path, body, self._timeout) as response:
                try:
                    yield response, response.content.iter_any()
                finally:
                    if not response.content.at_eof():
                        response.close()

    async def json(
        self, method: str, path: str, body: object = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Return the JSON object that the server answers.

        Raises:
            LabError: The server refused, failed, cannot be reached, or answered otherwise.
        """
        content = await self._json(method, path, body, timeout)
        if not isinstance(content, dict):
            raise EngineError(f"The server {self.base_url} answered JSON that is no object.")
        return content

    async def json_list(self, method: str, path: str) -> list[dict[str, Any]]:
        """Return the JSON objects of the list that the server answers.

        Raises:
            LabError: As :meth:`json`.
        """
        content = await self._json(method, path, None, None)
        if not isinstance(content, list):
            raise EngineError(f"The server {self.base_url} answered JSON that is no list.")
        return [entry for entry in content if isinstance(entry, dict)]

    async def _json(self, method: str, path: str, body: object, timeout: float | None) -> object:
        with self.translated():
            async with self._request(method, path, body, timeout or self._timeout) as response:
                return _decode(await bounded(response, JSON_LIMIT), self.base_url)

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, body: object, timeout: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        deadlines = aiohttp.ClientTimeout(total=timeout, connect=self._connect_timeout)
        data = None if body is None else _encode(body)
        async with await self._open(method, path, data, deadlines) as response:
            if response.status >= 300:
                retry_after = response.headers.get("Retry-After")
                content = await bounded(response, ERROR_LIMIT)
                raise refusal(response.status, content, retry_after, self.base_url)
            yield response

    async def _open(
        self, method: str, path: str, data: bytes | None, deadlines: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        url, session = self.base_url + path, self._connected()
        try:
            return await session.request(
                method, url, data=data, timeout=deadlines, allow_redirects=False
            )
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) or not self._keep_connections:
                raise
            # The server may have closed a kept connection just as it was used again.
            return await session.request(
                method, url, data=data, timeout=deadlines, allow_redirects=False
            )

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._loop = asyncio.get_running_loop()
            self._session = aiohttp.ClientSession(
                headers={"Content-Type": "application/json", **self._headers},
                connector=aiohttp.TCPConnector(limit=0, force_close=not self._keep_connections),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the errors of the network into ours."""
        where = self.base_url
        try:
            yield
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise NodeUnreachableError(f"The server {where} cannot be reached: {error}") from error
        except TimeoutError as error:
            raise DeadlineError(
                f"The server {where} did not finish within {self._timeout:g} seconds."
            ) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            detail = str(error) or type(error).__name__
            raise EngineError(f"The connection to the server {where} was lost: {detail}") from error

    async def aclose(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def dispose(self) -> None:
        """Begin to close, from any thread."""
        if self._session is not None and self._loop is not None and self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self.aclose(), self._loop)


def _encode(body: object) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise InvalidRequestError(f"The request is no JSON: {error}.") from error


async def bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return a response's body.

    Raises:
        EngineError: It is longer than ``limit`` bytes.
    """
    parts: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        parts.append(piece)
        size += len(piece)
        if size > limit:
            response.close()
            raise EngineError(f"The server answered with more than {limit} bytes.")
    return b"".join(parts)


def _decode(body: bytes, where: str) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise EngineError(f"The server {where} answered something that is no JSON.") from error


def refusal(status: int, body: bytes, retry_after: str | None, where: str) -> LabError:
    """Return the error that a server's refusal means for the lab's client."""
    error = decode_error(status, body, retry_after=retry_after)
    message = error.message
    if status in (401, 403):
        # The caller's own key was good; it is ours that the server does not take.
        return EngineError(f"The server {where} refused the lab's key: {message}")
    if status == 404 and not isinstance(error, ModelNotFoundError):
        return ModelNotFoundError(message)
    if status == 429:
        return UnavailableError(message, retry_after=error.retry_after or 1.0)
    if status == 503 and "load" in message.lower():
        return ModelLoadingError(message, retry_after=error.retry_after or 1.0)
    if status < 400:
        return EngineError(f"The server {where} answered with a redirect (status {status}).")
    return error
