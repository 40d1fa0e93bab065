"""A real HTTP server that follows a script, for tests and benchmarks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from llmlab.testing import ollama_dialect, openai_dialect
from llmlab.testing.exchange import Exchange
from llmlab.testing.script import Reply, Script, vector_of

KEPT_REQUESTS = 10_000


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as the server got it; ``body`` is empty where it was no JSON object."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any] = field(default_factory=dict)


class ScriptedServer:
    """Speaks OpenAI's API, and Ollama's on request, and answers by a script.

    ``async with`` serves on the running loop, ``with`` in a thread of its own::

        async with ScriptedServer(models=["m"], replies=[Reply("hello world")]) as server:
            ...  # dial server.url + "/v1/chat/completions"

    Args:
        models: Names that it knows; others are answered with 404.
        replies: The answers to chat and completion requests; see :class:`Script`.
        reply_with: Chooses the answer by the request's body instead.
        embed: Gives the vector of a text; numbers that depend on the text without it.
        embedding_fault: A failure to answer embedding requests with.
        api_key: The key to ask for; none without it.
        ollama: Whether to speak Ollama's native API too.
        any_model: Whether names that it does not know are served as well.
        port: The port; 0 for a free one.

    Attributes:
        requests: The first 10,000 requests that were seen.
        request_count: How many requests were seen.
        active: Requests that are being answered now.
        cancelled: Answers that were stopped because the client went away.
    """

    def __init__(
        self,
        models: Sequence[str] = ("scripted",),
        replies: Sequence[Reply] = (),
        *,
        reply_with: Callable[[dict[str, Any]], Reply] | None = None,
        embed: Callable[[str], list[float]] = vector_of,
        embedding_fault: Reply | None = None,
        api_key: str | None = None,
        ollama: bool = False,
        any_model: bool = False,
        port: int = 0,
    ) -> None:
        self.models = list(models)
        self.embed = embed
        self.embedding_fault = embedding_fault
        self.any_model = any_model
        self.requests: list[SeenRequest] = []
        self.request_count = 0
        self.active = 0
        self.cancelled = 0
        self.script = Script(replies, reply_with)
        self._api_key = api_key
        self._routes = openai_dialect.ROUTES | (ollama_dialect.ROUTES if ollama else {})
        self._port = port
        self._runner: web.ServerRunner | None = None
        self._stopping = False
        self._thread: _ServerThread | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    def follow(self, *replies: Reply) -> None:
        """Begin another script."""
        self.script = Script(replies)

    async def start(self) -> None:
        """Listen on the running loop."""
        self._stopping = False
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection and stop listening; the port stays for another start."""
        self._stopping = True
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def until(
        self, condition: Callable[[ScriptedServer], bool], *, timeout: float = 5.0
    ) -> None:
        """Wait for a state of this server, such as ``lambda server: server.cancelled == 1``.

        Raises:
            TimeoutError: It did not come within ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            while not condition(self):  # noqa: ASYNC110 - counters change on any thread
                await asyncio.sleep(0.005)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def __enter__(self) -> Self:
        self._thread = _ServerThread(self)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        # `request.read()` has a limit of its own; the script decides here.
        raw = await request.content.read()
        body = _decode(raw)
        self._remember(request, body)
        exchange = Exchange(self, request, body)
        route = self._routes.get((request.method, request.path))
        if self._api_key and request.headers.get("Authorization") != f"Bearer {self._api_key}":
            return exchange.error(401, "Wrong API key.", code="invalid_api_key")
        if route is None:
            return exchange.error(404, f"No route {request.method} {request.path}.")
        self.active += 1
        try:
            return await route(exchange)
        except (asyncio.CancelledError, ConnectionError):
            self.cancelled += not self._stopping
            raise
        finally:
            self.active -= 1

    def _remember(self, request: web.BaseRequest, body: dict[str, Any]) -> None:
        self.request_count += 1
        if len(self.requests) < KEPT_REQUESTS:
            seen = SeenRequest(request.method, request.path, request.headers.copy(), body)
            self.requests.append(seen)


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


class _ServerThread:
    """Runs a server on a loop in a thread of its own."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="scripted-server", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(10)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        if self._loop is not None and self._done is not None:
            self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        async with self._server:
            self._ready.set()
            await self._done.wait()
