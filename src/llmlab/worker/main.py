"""Runs a worker process from its first line to its clean end.

The order is for speed: the port is open before the large libraries are imported, and the default
model is being loaded by its own process while this one imports them.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import setproctitle
import uvicorn

from llmlab import log
from llmlab.errors import ConfigurationError
from llmlab.protocol.addresses import listen, own_url
from llmlab.protocol.serving import (
    GRACE_SECONDS,
    KEEP_ALIVE_SECONDS,
    BoundedHttpProtocol,
    Server,
)
from llmlab.settings import Settings
from llmlab.types import NodeKind
from llmlab.worker.access import gate, node_secret
from llmlab.worker.entrance import Entrance

if TYPE_CHECKING:
    from fastapi import FastAPI

    from llmlab.worker.service import Worker

BLOCKING_CALLS = 32
QUEUE_CHUNK = 4096

# As in the message by which it joins.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_log = log.get_logger(__name__)


def default_name() -> str:
    """Return the name of a worker that was given none: the machine's, in allowed characters."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", platform.node()).strip("-._")
    return f"worker-{name[:80]}" if name else "worker"


def run_worker(
    settings: Settings,
    *,
    name: str | None = None,
    coordinator_url: str | None = None,
    port: int | None = None,
    child: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then end every model process.

    Args:
        settings: The configuration.
        name: Name of the worker in the lab; the machine's without it.
        coordinator_url: Whose lab to join; None to stay alone.
        port: Port to listen on, 0 for a free one; the setting ``worker_port`` without it.
        child: Whether a coordinator on this machine started it: it listens on loopback only
            and ends when its standard input closes.
        on_ready: Called with the worker's address when it answers.

    Raises:
        ConfigurationError: The port or the name cannot be used, or the home folder holds
            something wrong.
    """
    if child:
        settings = settings.model_copy(update={"host": "127.0.0.1", "lan": False})
    name = _checked(name or default_name())
    setproctitle.setproctitle(f"llmlab worker {name}")
    with closing(listen(settings, settings.worker_port if port is None else port)) as listener:
        log.configure(
            name, folder=settings.logs_folder, level=settings.log_level, console=not child
        )
        process = WorkerProcess(
            settings,
            listener,
            name=name,
            kind=NodeKind.LOCAL if child else NodeKind.REMOTE,
            coordinator_url=coordinator_url,
            on_ready=on_ready,
        )
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(process.serve(watch_input=child))


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name[:100]!r} cannot name a worker: use letters, digits and . _ -, up to 100."
        )
    return name


class WorkerProcess:
    """A worker behind its socket, with its line to the coordinator.

    Args:
        settings: The configuration.
        listener: A socket that listens.
        name: Name of the worker.
        kind: What kind of node it is.
        coordinator_url: Whose lab to join; None to stay alone.
        on_ready: Called with the worker's address when it answers.
    """

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        *,
        name: str,
        kind: NodeKind,
        coordinator_url: str | None,
        on_ready: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._name = name
        self._kind = kind
        self._coordinator_url = coordinator_url
        self._on_ready = on_ready
        self._url = own_url(settings, listener)
        self._instance_id = secrets.token_hex(8)
        self._worker: Worker | None = None
        self._joining: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

    async def serve(self, *, watch_input: bool) -> None:
        """Serve until a signal comes, or (``watch_input``) standard input closes.

        Raises:
            ConfigurationError: The home folder holds something wrong.
        """
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(BLOCKING_CALLS, "blocking"))
        entrance = Entrance(self._instance_id)
        server = Server(
            uvicorn.Config(
                gate(entrance, self._settings),
                lifespan="off",
                http=BoundedHttpProtocol,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            ),
            # Nobody shall send requests to a server that ends.
            before_shutdown=self._leave,
        )
        if watch_input:
            _when_input_closes(lambda: loop.call_soon_threadsafe(server.exit))
        opening = asyncio.create_task(self._open(entrance, server), name="worker opening")
        try:
            await server.serve(sockets=[self._listener])
        finally:
            opening.cancel()
            await asyncio.wait({opening})
            await self._leave()
            if self._worker is not None:
                await self._worker.stop()
        if self._failure is not None:
            raise self._failure

    async def _open(self, entrance: Entrance, server: Server) -> None:
        try:
            worker = self._worker = await asyncio.to_thread(self._build)
            await worker.start()
            entrance.open(await asyncio.to_thread(_build_api, worker))
        except Exception as error:  # noqa: BLE001 - it is raised where the server has ended
            self._failure = error
            server.exit()
            return
        if self._coordinator_url is not None:
            self._joining = asyncio.create_task(
                self._stay_joined(worker, self._coordinator_url), name="membership"
            )
        _log.info("worker is ready", extra={"url": self._url, "worker": self._name})
        if self._on_ready is not None:
            self._on_ready(self._url)

    def _build(self) -> Worker:
        from llmlab.worker.service import Worker

        return Worker(
            self._settings, name=self._name, kind=self._kind, instance_id=self._instance_id
        )

    async def _stay_joined(self, worker: Worker, coordinator_url: str) -> None:
        from llmlab.worker.joining import Joiner

        joiner = Joiner(
            worker,
            coordinator_url=coordinator_url,
            own_url=self._url,
            secret=node_secret(self._settings),
        )
        await joiner.run()

    async def _leave(self) -> None:
        joining, self._joining = self._joining, None
        if joining is not None:
            joining.cancel()
            await asyncio.wait({joining})


def _build_api(worker: Worker) -> FastAPI:
    # The joiner's library is imported here too: beside the loop, not on it.
    import aiohttp  # noqa: F401

    from llmlab.worker.app import create_api

    return create_api(worker)


def _when_input_closes(then: Callable[[], object]) -> None:
    def wait() -> None:
        # Not `sys.stdin`: its lock would be held by this thread when the process ends.
        while os.read(0, QUEUE_CHUNK):
            pass
        then()

    threading.Thread(target=wait, name="standard input", daemon=True).start()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return None
    return uvloop.new_event_loop
