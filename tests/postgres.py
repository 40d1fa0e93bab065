"""A PostgreSQL cluster of the tests' own: unprivileged, on a free port, in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

USER = "lab"


@dataclass(frozen=True)
class Cluster:
    """A server that runs; ``restart`` cuts every connection."""

    url: str
    programs: Path
    folder: Path
    owner: str | None
    options: str

    def control(self, *command: str) -> None:
        """Run pg_ctl and wait for it."""
        control = (self.programs / "pg_ctl", "-D", self.folder / "data", "-w", "-t", "60")
        run(self.owner, *control, *command)

    def start(self) -> None:
        """Start the server."""
        self.control("-l", str(self.folder / "log"), "-o", self.options, "start")

    def stop(self) -> None:
        """Stop the server at once."""
        self.control("-m", "immediate", "stop")


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest version's; None without it."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3])
    )
    program = found[-1] if found else shutil.which("initdb")
    return Path(program).resolve().parent if program else None


def run(owner: str | None, *command: object) -> None:
    """Run a program of PostgreSQL's, which refuses to run as root, as another user."""
    subprocess.run(
        [str(part) for part in command],
        user=owner,
        cwd="/",
        check=True,
        timeout=90,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A running server, the same for all tests of a process."""
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; tests/services.sh does it.")
    owner = "postgres" if os.geteuid() == 0 else None
    # Another user may not reach the folder that TMPDIR names.
    folder = Path(tempfile.mkdtemp(prefix="llmlab-postgres-", dir="/tmp" if owner else None))
    if owner:
        shutil.chown(folder, owner)
    port = _free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    cluster = Cluster(f"postgresql://{USER}@127.0.0.1:{port}", programs, folder, owner, options)
    try:
        initdb = (programs / "initdb", "-D", folder / "data", "-U", USER)
        run(owner, *initdb, "-A", "trust", "-N", "--locale=C", "-E", "UTF8")
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def fresh_database(cluster: Cluster) -> AsyncIterator[str]:
    """Make an empty database, give its URL, and drop it."""
    name = f"lab_{uuid4().hex}"
    await _execute(cluster, f"CREATE DATABASE {name}")
    yield f"{cluster.url}/{name}"
    await _execute(cluster, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(cluster: Cluster, statement: str) -> None:
    connection = await asyncpg.connect(f"{cluster.url}/postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
