"""The coordinator's links to nodes: what is sent, and errors translated at the edge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from llmlab.cluster.calls import Call
from llmlab.cluster.nodes import Node
from llmlab.cluster.wire import Address, Response, Wire
from llmlab.errors import DeadlineError, EngineError, LabError, NodeUnreachableError
from llmlab.protocol.errors import decode_error
from llmlab.protocol.openai import HOPS_HEADER, RUN_HEADER

# Lists and reports; nobody has models enough for more.
MAX_JSON = 16_000_000
MAX_ROUTES = 1000


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a request goes, and how its head begins."""

    address: Address
    head: bytes


class Upstream:
    """A node's response while it arrives."""

    __slots__ = ("_name", "_response", "content_type", "status")

    def __init__(self, name: str, response: Response) -> None:
        self._name = name
        self._response = response
        self.status = response.status
        self.content_type = response.content_type

    async def read(self) -> bytes:
        """Return the whole body.

        Raises:
            NodeUnreachableError: The connection broke.
            DeadlineError: The node was silent for too long.
        """
        try:
            return await self._response.read()
        except (OSError, TimeoutError) as error:
            raise _translated(self._name, error) from error

    async def next(self) -> bytes:
        """Return what has arrived, or wait for more; empty at the end.

        Raises:
            NodeUnreachableError: The connection broke.
            DeadlineError: The node was silent for too long.
        """
        try:
            return await self._response.next()
        except (OSError, TimeoutError) as error:
            raise _translated(self._name, error) from error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        while piece := await self.next():
            yield piece

    async def check(self) -> None:
        """Raise what the node answered, unless it is a success."""
        if self.status >= 300:
            raise _refusal(self._name, self.status, await self.read(), self._response.retry_after)

    def close(self) -> None:
        """End it; a response that has not arrived whole takes its connection along."""
        self._response.close()


class Links:
    """Dials nodes.

    Args:
        timeout: Longest silence of a node in seconds, also before its first byte.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._wire = Wire()
        self._routes: dict[tuple[str, str, str | None, int], _Route] = {}

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
        route = self._route("POST", _url(node, call.path), node.key, call.hops + 1)
        body = call.body if body is None else body
        message = b"%b%b: %b\r\ncontent-length: %d\r\n\r\n%b" % (
            route.head,
            RUN_HEADER.encode(),
            call.run_id.encode(),
            len(body),
            body,
        )
        try:
            response = await self._wire.send(route.address, message, timeout=self._timeout)
        except (OSError, TimeoutError) as error:
            raise _translated(node.name, error) from error
        return Upstream(node.name, response)

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
        body = orjson.dumps(content) if content is not None else b""
        route = self._route(method, _url(node, path), node.key, 1)
        return await self._json(node.name, route, body, timeout)

    async def get(self, url: str, *, key: str | None = None, timeout: float) -> Any:
        """Return the JSON of an address that is no node yet.

        Raises:
            LabError: What it answered, or why it did not.
        """
        return await self._json(urlsplit(url).netloc, self._route("GET", url, key, 1), b"", timeout)

    async def _json(self, name: str, route: _Route, body: bytes, timeout: float) -> Any:
        message = b"%bcontent-length: %d\r\n\r\n%b" % (route.head, len(body), body)
        try:
            async with asyncio.timeout(timeout):
                response = await self._wire.send(route.address, message, timeout=timeout)
                answer = await response.read(MAX_JSON)
        except (OSError, TimeoutError) as error:
            raise _translated(name, error) from error
        if response.status >= 300:
            raise _refusal(name, response.status, answer, response.retry_after)
        try:
            return orjson.loads(answer)
        except orjson.JSONDecodeError as error:
            raise EngineError(f"The node {name} answered something that is no JSON.") from error

    def _route(self, method: str, url: str, key: str | None, hops: int) -> _Route:
        known = self._routes.get((method, url, key, hops))
        if known is not None:
            return known
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"{method} {target or '/'} HTTP/1.1",
            f"host: {parts.netloc.rpartition('@')[2]}",
            "content-type: application/json",
            "accept-encoding: identity",
            f"{HOPS_HEADER}: {hops}",
        ]
        if key:
            lines.append(f"authorization: Bearer {key}")
        if any("\n" in line or "\r" in line or not line.isascii() for line in lines):
            raise EngineError(f"The address or the key of {parts.hostname} cannot be sent.")
        head = "\r\n".join([*lines, ""]).encode()
        route = self._routes[method, url, key, hops] = _Route(Address.of(url), head)
        return route

    async def aclose(self) -> None:
        """Close all connections."""
        await self._wire.aclose()


def is_http_address(url: str) -> bool:
    """Tell whether a text is the address of a server: scheme, host, perhaps port and path."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    return parts.scheme in ("http", "https") and named and plain and url.isascii()


def _url(node: Node, path: str) -> str:
    """Return the address of a route: OpenAI's (``/v1/...``) may have another root."""
    return node.api + path[3:] if path.startswith("/v1/") else f"{node.url}{path}"


def _refusal(name: str, status: int, body: bytes, retry_after: str | None) -> LabError:
    # The client's own key is fine: it is the lab's key that the node does not take.
    if status in (401, 403):
        return EngineError(f"The node {name} refused the lab's key.")
    return decode_error(status, body, retry_after=retry_after)


def _translated(name: str, error: Exception) -> NodeUnreachableError | DeadlineError:
    if isinstance(error, TimeoutError):
        return DeadlineError(f"The node {name} did not answer in time.")
    return NodeUnreachableError(f"The node {name} cannot be reached: {error}.")
