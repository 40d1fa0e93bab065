"""The local workers: started, restarted when they die, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from llmlab.cluster.nodes import NodeRegistry
from llmlab.files import load_or_create_secret
from llmlab.log import get_logger
from llmlab.settings import Settings
from llmlab.worker.access import api_key, node_secret

logger = get_logger(__name__)

# -P: a file of the working folder must not stand in for a module.
WORKER_COMMAND = (sys.executable, "-P", "-m", "llmlab.worker", "--child")

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_PATIENCE = 8.0
# Starts that fail in a row, after which requests no longer wait for the next one.
HOPELESS = 4
# What a worker has no use for: it dials no provider and keeps no database.
_NOT_FOR_WORKERS = frozenset(
    {"url", "port", "workers", "external_nodes", "database_url"}
    | {"openai_api_base", "openai_api_key", "openai_api_model"}
)


class WorkerPool:
    """Keeps a number of worker processes alive.

    A worker ends when its standard input closes, so that none is left behind, however this
    process ends.

    Args:
        nodes: Where requests learn that a worker is on its way.
        settings: How many, and what they are told.
        coordinator_url: What they join.
        node_secret: What they join with.
        api_key: The key that they take beside the node's secret.
        command: What starts a worker; the options are added.

    Attributes:
        nodes: The registry.
        restarts: How often a worker was started again.
    """

    def __init__(
        self,
        nodes: NodeRegistry,
        settings: Settings,
        *,
        coordinator_url: str,
        node_secret: str,
        api_key: str,
        command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        self.nodes = nodes
        self.restarts = 0
        self._settings = settings
        self._url = coordinator_url
        self._environment = worker_environment(settings, node_secret, api_key)
        self._command = tuple(command)
        self._processes: dict[str, Process] = {}
        self._supervisors: list[asyncio.Task[None]] = []
        self._spawned: list[asyncio.Event] = []
        self._stopping = asyncio.Event()

    @classmethod
    def of(cls, settings: Settings, *, coordinator_url: str) -> WorkerPool:
        """Return the pool that the settings ask for; the secrets that it shares exist then."""
        load_or_create_secret(settings.home_folder / "cache-secret", "cache")
        return cls(
            NodeRegistry(timeout=settings.heartbeat_timeout),
            settings,
            coordinator_url=coordinator_url,
            node_secret=node_secret(settings),
            api_key=api_key(settings),
        )

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the workers that run now, by name."""
        return {name: process.pid for name, process in self._processes.items()}

    def start(self) -> None:
        """Start all workers; returns before they are ready."""
        for number in range(1, self._settings.workers + 1):
            name = f"worker-{number}"
            self.nodes.expect(name)
            spawned = asyncio.Event()
            self._spawned.append(spawned)
            self._supervisors.append(
                asyncio.create_task(self._supervise(name, spawned), name=f"supervisor of {name}")
            )

    async def spawned(self) -> None:
        """Wait until every worker process was started once, or could not be."""
        await asyncio.gather(*(started.wait() for started in self._spawned))

    async def _supervise(self, name: str, spawned: asyncio.Event) -> None:
        pause, failures = _FIRST_PAUSE, 0
        while not self._stopping.is_set():
            status, joined = await self._run(name, spawned)
            if self._stopping.is_set():
                return
            self.restarts += 1
            # One that was in the lab did not die of its start.
            pause, failures = (_FIRST_PAUSE, 0) if joined else (pause, failures + 1)
            logger.warning(
                "%s ended with status %s; it is started again in %.1f s", name, status, pause
            )
            if failures < HOPELESS:
                self.nodes.expect(name)
            else:
                self.nodes.give_up_on(name)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _run(self, name: str, spawned: asyncio.Event) -> tuple[int | None, bool]:
        """Return a worker's exit status, and whether it had joined the lab."""
        try:
            process = await self._spawn(name)
        except OSError as error:
            logger.error("%s cannot be started: %s", name, error)  # noqa: TRY400 - no traceback
            return None, False
        finally:
            spawned.set()
        self._processes[name] = process
        if self._stopping.is_set():
            _ask_to_end(process)
        try:
            status = await process.wait()
            return status, self.nodes.has_joined(process.pid)
        finally:
            del self._processes[name]

    async def _spawn(self, name: str) -> Process:
        path = self._settings.logs_folder / f"{name}.err"
        with await asyncio.to_thread(_open_log, path) as errors:
            return await asyncio.create_subprocess_exec(
                *self._command,
                *("--name", name, "--port", "0", "--coordinator", self._url),
                stdin=PIPE,
                stdout=errors,
                stderr=errors,
                env=self._environment,
                # Ctrl-C in a terminal is for the coordinator, which stops its workers.
                start_new_session=True,
            )

    async def stop(self) -> None:
        """Stop all workers: asked first, killed when they take too long."""
        self._stopping.set()
        for process in self._processes.values():
            _ask_to_end(process)
        if self._supervisors:
            await asyncio.wait(self._supervisors, timeout=_PATIENCE)
        for process in list(self._processes.values()):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(*self._supervisors, return_exceptions=True)
        self._supervisors.clear()


def _ask_to_end(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        process.terminate()


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")


def worker_environment(settings: Settings, node_secret: str, api_key: str) -> dict[str, str]:
    """Return the environment of a worker: this process's, and the settings in force."""
    given = settings.to_dict(secrets=True) | {"node_secret": node_secret, "api_key": api_key}
    told = {
        f"LLMLAB_{name.upper()}": _as_variable(value)
        for name, value in given.items()
        if value is not None and name not in _NOT_FOR_WORKERS
    }
    return _without_own_settings(os.environ) | told


def _without_own_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("LLMLAB_")}


def _as_variable(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
