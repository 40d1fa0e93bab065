"""The coordinator's connections to nodes: one pooled session, errors translated at the edge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from llmlab.cluster.calls import Call
from llmlab.cluster.nodes import Node
from llmlab.errors import DeadlineError, EngineError, LabError, NodeUnreachableError
from llmlab.protocol.errors import decode_error
from llmlab.protocol.openai import HOPS_HEADER, RUN_HEADER

CONNECT_TIMEOUT = 5.0
KEEP_ALIVE = 60.0


class Upstream:
    """A node's response while it arrives."""

    __slots__ = ("_node", "_response", "content_type", "status")

    def __init__(self, node: Node, response: aiohttp.ClientResponse) -> None:
        self._node = node
        self._response = response
        self.status = response.status
        self.content_type = response.headers.get("content-type", "")

    async def read(self) -> bytes:
        """Return the whole body.

        Raises:
            NodeUnreachableError: The connection broke.
            DeadlineError: The node was silent for too long.
        """
        try:
            return await self._response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _translated(self._node.name, error) from error

    async def next(self) -> bytes:
        """Return what has arrived, or wait for more; empty at the end.

        Raises:
            NodeUnreachableError: The connection broke.
            DeadlineError: The node was silent for too long.
        """
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _translated(self._node.name, error) from error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        while piece := await self.next():
            yield piece

    async def check(self) -> None:
        """Raise what the node answered, unless it is a success."""
        if self.status < 300:
            return
        body = await self.read()
        raise _refusal(
            self._node.name, self.status, body, self._response.headers.get("retry-after")
        )

    def close(self) -> None:
        """End it; a response that has not arrived whole takes its connection along."""
        self._response.close()


class Links:
    """Dials nodes.

    Args:
        timeout: Longest silence of a node in seconds, also before its first byte.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT, sock_read=timeout
        )
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[tuple[str, str], URL] = {}
        self._headers: dict[tuple[str | None, int], dict[str, str]] = {}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            )
        return self._session

    async def post(self, node: Node, call: Call, body: bytes | None = None) -> Upstream:
        """Send a request and wait for the head of the response.

        Args:
            node: Whom to ask.
            call: What to ask.
            body: JSON, where it is not the call's.

        Raises:
            NodeUnreachableError: There is no connection, or it broke.
            DeadlineError: The node was silent for too long.
        """
        try:
            # A redirect would carry the node's key to another host, so none is followed.
            response = await self._open().post(
                self._url(node, call.path),
                data=call.body if body is None else body,
                headers=self._headers_for(node.key, call.hops + 1) | {RUN_HEADER: call.run_id},
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _translated(node.name, error) from error
        return Upstream(node, response)

    async def call(
        self,
        node: Node,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        *,
        timeout: float,
    ) -> Any:
        """Call a JSON route of a node and return what it answers.

        Raises:
            LabError: What the node answered, or why it did not.
        """
        body = orjson.dumps(content) if content is not None else None
        url = self._url(node, path)
        return await self._json(method, url, body, name=node.name, key=node.key, timeout=timeout)

    async def get(self, url: str, *, key: str | None = None, timeout: float) -> Any:
        """Return the JSON of an address that is no node yet.

        Raises:
            LabError: What it answered, or why it did not.
        """
        address = URL(url)
        return await self._json(
            "GET", address, None, name=address.authority, key=key, timeout=timeout
        )

    async def _json(
        self,
        method: str,
        url: URL,
        body: bytes | None,
        *,
        name: str,
        key: str | None,
        timeout: float,
    ) -> Any:
        try:
            async with (
                asyncio.timeout(timeout),
                self._open().request(
                    method,
                    url,
                    data=body,
                    headers=self._headers_for(key, 1),
                    allow_redirects=False,
                ) as response,
            ):
                answer = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _translated(name, error) from error
        if response.status >= 300:
            raise _refusal(name, response.status, answer, response.headers.get("retry-after"))
        try:
            return orjson.loads(answer)
        except orjson.JSONDecodeError as error:
            raise EngineError(f"The node {name} answered something that is no JSON.") from error

    def _url(self, node: Node, path: str) -> URL:
        base = node.api if path.startswith("/v1/") else node.url or ""
        path = path.removeprefix("/v1")
        url = self._urls.get((base, path))
        if url is None:
            if len(self._urls) > 1000:
                self._urls.clear()
            url = self._urls[base, path] = URL(base + path, encoded=True)
        return url

    def _headers_for(self, key: str | None, hops: int) -> dict[str, str]:
        headers = self._headers.get((key, hops))
        if headers is None:
            headers = {"content-type": "application/json", HOPS_HEADER: str(hops)}
            if key:
                headers["authorization"] = f"Bearer {key}"
            self._headers[key, hops] = headers
        return headers

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _translated(name: str, error: Exception) -> NodeUnreachableError | DeadlineError:
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return DeadlineError(f"The node {name} did not answer in time.")
    return NodeUnreachableError(f"The node {name} cannot be reached ({type(error).__name__}).")


def _refusal(name: str, status: int, body: bytes, retry_after: str | None) -> LabError:
    # The client's own key is fine: it is the lab's key that the node does not take.
    if status in (401, 403):
        return EngineError(f"The node {name} refused the lab's key.")
    return decode_error(status, body, retry_after=retry_after)
