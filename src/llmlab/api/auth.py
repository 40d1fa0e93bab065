"""Who may use the coordinator: the key, a session cookie signed for it, or a node's secret."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from hashlib import blake2b

from llmlab.errors import AccessError
from llmlab.protocol.access import App, KeyRing, Receive, Scope, Send, refuse

OWNER = "owner"
NODE = "node"
JOIN_PATH = "/ws/join"
HEALTH_PATH = "/health"
SESSION_SECONDS = 7 * 24 * 3600


class Sessions:
    """Issues and checks session cookies: ``tenant.expiry.signature``.

    Args:
        secret: What cookies are signed with, kept in the home folder.
        key: The API key; another key ends all sessions.
        clock: Unix seconds.
    """

    def __init__(self, secret: str, key: str, *, clock: Callable[[], float] = time.time) -> None:
        self._key = blake2b(key.encode(), key=secret.encode()[:64]).digest()
        self._clock = clock

    def issue(self, tenant: str) -> str:
        """Return a cookie that stands for a tenant for a week."""
        content = f"{tenant}.{int(self._clock()) + SESSION_SECONDS}"
        return f"{content}.{self._signature(content)}"

    def tenant_of(self, cookie: str) -> str | None:
        """Return the tenant that a valid cookie stands for."""
        content, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(self._signature(content).encode(), signature.encode()):
            return None
        tenant, _, expiry = content.partition(".")
        return tenant if int(expiry) > self._clock() else None

    def _signature(self, content: str) -> str:
        return blake2b(content.encode(), key=self._key, digest_size=32).hexdigest()


class Doorkeeper:
    """Tells who sends a request, by key or by cookie.

    Args:
        api_key: The owner's key.
        node_secret: What nodes join with.
        sessions: Checks cookies.
    """

    def __init__(self, api_key: str, node_secret: str, sessions: Sessions) -> None:
        self._keys = KeyRing({api_key: OWNER, node_secret: NODE})
        self._sessions = sessions

    def authenticate(self, bearer: str | None, cookie: str | None) -> str | None:
        """Return the tenant; None to refuse."""
        if bearer is not None:
            return self._keys.authenticate(bearer, None)
        return self._sessions.tenant_of(cookie) if cookie else None

    def sign_in(self, key: str) -> str | None:
        """Return a cookie for the owner's key; None for any other."""
        if self._keys.authenticate(key, None) != OWNER:
            return None
        return self._sessions.issue(OWNER)


class NodesJoinOnly:
    """Lets a node's secret open ``/ws/join`` and nothing else, and the owner's key all else."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket"):
            path = scope["path"]
            if scope["state"]["tenant"] == NODE:
                if path not in (JOIN_PATH, HEALTH_PATH):
                    message = "A node's secret opens /ws/join only."
                    await refuse(scope, send, AccessError(message))
                    return
            elif path == JOIN_PATH:
                await refuse(scope, send, AccessError("Joining takes a node's secret."))
                return
        await self._app(scope, receive, send)
