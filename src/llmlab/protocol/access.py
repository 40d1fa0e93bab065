"""The gate in front of every HTTP server of the lab: Host, size, key, Origin.

Pure ASGI, so that worker and coordinator share it and nothing behind it is reached unchecked.
Localhost is no reason for trust: a web page can send requests there.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from llmlab.errors import (
    AccessError,
    AuthenticationError,
    BodyTimeoutError,
    BodyTooLargeError,
    LabError,
)
from llmlab.protocol.errors import encode_error, error_headers

Scope: TypeAlias = MutableMapping[str, Any]
Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
BODY_DEADLINE = 30.0
SESSION_COOKIE = "llmlab_session"

_CHECKED = frozenset({b"host", b"authorization", b"cookie", b"origin", b"content-length"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:@/]+)(?::[0-9]{1,5})?")
# Forms of allowed names (case, port) that were seen; others are looked at each time.
_MOST_KNOWN_HOSTS = 64


class Authenticator(Protocol):
    """Tells who sends a request."""

    def authenticate(self, bearer: str | None, cookie: str | None) -> str | None:
        """Return the tenant that a key or a session cookie stands for; None to refuse."""
        ...


class KeyRing:
    """Knows keys by tenant; compares in constant time.

    Args:
        keys: Secret to tenant; ``node`` is the tenant of the lab's own nodes.
    """

    def __init__(self, keys: dict[str, str]) -> None:
        self._keys = {key.encode(): tenant for key, tenant in keys.items() if key}

    def authenticate(self, bearer: str | None, cookie: str | None) -> str | None:
        """Return the tenant of a key; cookies are not known here."""
        del cookie
        given = (bearer or "").encode()
        found = None
        for key, tenant in self._keys.items():
            if hmac.compare_digest(key, given):
                found = tenant
        return found


def header(scope: Scope, name: bytes) -> str | None:
    """Return a request header by its lower-case name, or None."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def bearer_of(scope: Scope) -> str | None:
    """Return the key of an ``Authorization: Bearer`` header."""
    return _bearer(header(scope, b"authorization") or "")


def _bearer(header: str) -> str | None:
    scheme, _, key = header.partition(" ")
    key = key.strip()
    return key if key and scheme.lower() == "bearer" else None


def cookie_of(scope: Scope, name: str = SESSION_COOKIE) -> str | None:
    """Return a cookie's value."""
    return _cookie(header(scope, b"cookie") or "", name)


def _cookie(header: str, name: str) -> str | None:
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return None


def _needed(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers that are checked here, the first of each name, in one pass."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _CHECKED:
            found.setdefault(name, value)
    return found


def host_name(host: str) -> str:
    """Return a Host header without its port, in lower case; IPv6 keeps its brackets.

    What is no name with a port or without is returned as it is, and so matches no name.
    """
    host = host.strip().lower()
    found = _HOST.fullmatch(host)
    return found[1] if found else host


class Gate:
    """Refuses what must not reach the application.

    Args:
        app: The application behind the gate.
        authenticator: Knows keys and cookies.
        hosts: Names allowed in the Host header beside the loopback ones.
        max_body: Largest request body in bytes.
        public: Paths that need no key; one that ends in ``/`` allows all below it.
    """

    def __init__(
        self,
        app: App,
        authenticator: Authenticator,
        *,
        hosts: Iterable[str] = (),
        max_body: int,
        public: Collection[str] = ("/health",),
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._hosts = LOOPBACK_NAMES | {name.lower() for name in hosts}
        self._known_hosts: set[bytes] = set()
        self._max_body = max_body
        self._public = frozenset(public)
        self._public_folders = tuple(path for path in public if path.endswith("/") and path != "/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one connection and pass it on, its body read whole."""
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            headers = _needed(scope)
            self._check_host(headers.get(b"host", b""))
            self._identify(scope, headers)
            if kind == "http":
                body = await self._read_body(headers.get(b"content-length", b"0"), receive)
                receive = _replay(body, receive)
        except LabError as error:
            await refuse(scope, send, error)
            return
        await self._app(scope, receive, send)

    def _check_host(self, host: bytes) -> None:
        if host in self._known_hosts:
            return
        name = host_name(host.decode("latin-1"))
        if name not in self._hosts:
            raise AccessError(
                f"The host name {name[:100]!r} is not allowed. Start the lab with --host or --lan,"
                " or add the name to the setting allowed_hosts."
            )
        if len(self._known_hosts) < _MOST_KNOWN_HOSTS:
            self._known_hosts.add(host)

    def _identify(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        bearer = _bearer(headers.get(b"authorization", b"").decode("latin-1"))
        cookie = None
        if b"cookie" in headers:
            cookie = _cookie(headers[b"cookie"].decode("latin-1"), SESSION_COOKIE)
        tenant = self._authenticator.authenticate(bearer, cookie)
        # A browser sends cookies along from any page, so they count only for our own pages.
        if tenant is not None and (scope["type"] == "websocket" or bearer is None):
            self._check_origin(headers)
        if tenant is None and not self._is_public(scope["path"]):
            raise AuthenticationError(
                "This needs the lab's key: send `Authorization: Bearer KEY`;"
                " `llmlab key` prints it."
            )
        scope.setdefault("state", {})["tenant"] = tenant

    def _check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        if b"origin" not in headers:
            return
        origin = headers[b"origin"].decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        if urlsplit(origin).netloc.lower() != host.strip().lower():
            raise AccessError(f"The origin {origin[:100]!r} is not this lab.")

    def _is_public(self, path: str) -> bool:
        return path in self._public or path.startswith(self._public_folders)

    async def _read_body(self, declared: bytes, receive: Receive) -> bytes:
        # A number of thousands of digits is no number to Python.
        if not declared.isdigit() or len(declared) > 15 or int(declared) > self._max_body:
            raise self._too_large()
        try:
            async with asyncio.timeout(BODY_DEADLINE):
                return await self._collect(receive)
        except TimeoutError as error:
            raise BodyTimeoutError(
                f"The request body did not arrive within {BODY_DEADLINE:.0f} seconds."
            ) from error

    async def _collect(self, receive: Receive) -> bytes:
        event = await receive()
        if not event.get("more_body"):
            body: bytes = event.get("body", b"")
            if len(body) > self._max_body:
                raise self._too_large()
            return body
        parts = [event.get("body", b"")]
        size = len(parts[0])
        while event.get("more_body"):
            event = await receive()
            parts.append(event.get("body", b""))
            size += len(parts[-1])
            if size > self._max_body:
                raise self._too_large()
        return b"".join(parts)

    def _too_large(self) -> BodyTooLargeError:
        limit = self._max_body / 1e6
        return BodyTooLargeError(
            f"The request body is over the limit of {limit:g} MB;"
            " the setting max_body_mb raises it."
        )


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Event:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def refuse(scope: Scope, send: Send, error: LabError) -> None:
    """Answer with an error: a response, or a WebSocket closed before it was accepted."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})
        return
    await respond(send, error.status, encode_error(error), headers=error_headers(error))


async def respond(
    send: Send, status: int, body: bytes, *, headers: dict[str, str] | None = None
) -> None:
    """Send a whole JSON response; ``headers`` (lower-case names) are added or win."""
    merged = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **(headers or {}),
    }
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in merged.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
