"""A PostgreSQL cluster of the tests' own: unprivileged, on a free port, in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "lab"


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest version's; None without it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


def _version(program: Path) -> float:
    return float(program.parts[-3])


@contextmanager
def cluster() -> Iterator[str]:
    """Run a cluster and give the URL of its server, without a database's name."""
    programs = binaries()
    assert programs is not None
    # PostgreSQL refuses to run as root; the package has made a user for it.
    owner = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="llmlab-postgres-"))
    if owner:
        shutil.chown(folder, owner)
    port = _free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    try:
        _run(owner, programs / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "-N")
        control = (programs / "pg_ctl", "-D", folder / "data", "-w", "-t", "60")
        _run(owner, *control, "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://{USER}@127.0.0.1:{port}"
        finally:
            _run(owner, *control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(owner: str | None, *command: object) -> None:
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
