"""Runs the coordinator's process, from its first line to its clean end.

The order is for speed: the port is open and the workers are starting before the large libraries
are imported.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import uvicorn

from llmlab import log
from llmlab.protocol.access import App
from llmlab.protocol.addresses import listen, own_url
from llmlab.protocol.serving import (
    GRACE_SECONDS,
    KEEP_ALIVE_SECONDS,
    BoundedHttpProtocol,
    Server,
)
from llmlab.settings import Settings

if TYPE_CHECKING:
    from llmlab.cluster.nodes import NodeRegistry

logger = log.get_logger(__name__)

# Workers that take longer than this are not waited for.
WORKERS_SECONDS = 10.0
SWITCH_INTERVAL = 0.0005


def serve(settings: Settings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: The configuration.
        on_ready: Called with the lab's address when it answers, in a thread of its own, so that
            it may ask the lab.

    Raises:
        ConfigurationError: The port cannot be used, or a setting is wrong.
        StoreError: The database cannot be opened.
    """
    with closing(listen(settings, settings.port)) as listener:
        log.configure("coordinator", folder=settings.logs_folder, level=settings.log_level)
        # The store's thread would keep the loop waiting for 5 ms at every turn.
        sys.setswitchinterval(SWITCH_INTERVAL)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve_on(settings, listener, on_ready=on_ready))


async def serve_on(
    settings: Settings,
    listener: socket.socket,
    *,
    on_ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve on a socket that listens, until a signal comes or ``stop`` is set."""
    from llmlab.cluster.pool import WorkerPool

    url = own_url(settings, listener)
    pool = WorkerPool.of(settings, coordinator_url=_local_url(settings, listener))
    pool.start()
    try:
        await pool.spawned()
        from llmlab.api.app import create_app
        from llmlab.coordinator import Coordinator

        coordinator = Coordinator(settings, pool=pool)
        app = create_app(coordinator)
        await coordinator.start(url)
    except BaseException:
        await pool.stop()
        raise
    # Those who wait for a run are let go; the next start goes on with it.
    server = Server(_config(settings, app), before_shutdown=coordinator.stop_runs)
    ready = _say_ready(server, coordinator.nodes, lambda: on_ready and on_ready(url))
    helpers = {
        asyncio.create_task(_stop_when(stop, server), name="wish to stop"),
        asyncio.create_task(ready, name="readiness"),
    }
    try:
        await server.serve(sockets=[listener])
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.wait(helpers)
        await coordinator.stop()


async def _say_ready(server: Server, nodes: NodeRegistry, say: Callable[[], object]) -> None:
    """Say it when the port answers and the local workers are there, or take too long."""
    await server.listening.wait()
    await nodes.wait_for(lambda: not nodes.expected, timeout=WORKERS_SECONDS)
    try:
        await asyncio.to_thread(say)
    except OSError:
        # Whoever started the lab reads no more; the lab goes on.
        logger.info("Readiness could not be told")


async def _stop_when(stop: asyncio.Event | None, server: Server) -> None:
    if stop is not None:
        await stop.wait()
        server.exit()


def _local_url(settings: Settings, listener: socket.socket) -> str:
    """Return where workers on this machine reach the coordinator."""
    if settings.lan or settings.host in ("0.0.0.0", "::", "localhost"):  # noqa: S104 - compared
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
    return own_url(settings, listener)


def _config(settings: Settings, app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        http=BoundedHttpProtocol,
        ws="websockets-sansio",
        # Nothing stands in front: such headers would be the client's own invention.
        proxy_headers=False,
        ws_max_size=int(settings.max_body_mb * 1e6),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return None
    return uvloop.new_event_loop
