"""The checks of ``llmlab doctor``: what is found, what is missing, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llmlab.errors import ConfigurationError, LabError
from llmlab.settings import Settings

MB = 10**6
GB = 10**9
LITTLE_MEMORY = 1 * GB
LITTLE_DISK = 2 * GB
NO_DISK = 100 * MB
ENGINE_SECONDS = 60.0

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; ``advice`` says what to do about a warning or a problem."""

    name: str
    verdict: Verdict
    detail: str
    advice: str = ""


Check = Callable[[Settings], Iterator[Finding]]


def python(_: Settings) -> Iterator[Finding]:
    """Say which Python runs the lab."""
    yield Finding("Python", "ok", f"{platform.python_version()} at {sys.executable}")


def processor(_: Settings) -> Iterator[Finding]:
    """Look for AVX2, which the embedded engine's builds for x86 need."""
    machine = platform.machine().lower()
    cores = f"{machine}, {os.cpu_count()} cores"
    if machine not in ("x86_64", "amd64"):
        yield Finding("processor", "ok", cores)
    elif (flags := _processor_flags()) is None:
        yield Finding("processor", "ok", f"{cores}; whether it has AVX2 is not known")
    elif "avx2" in flags:
        yield Finding("processor", "ok", f"{cores}, AVX2")
    else:
        yield Finding(
            "processor",
            "problem",
            f"{cores}, no AVX2",
            "The embedded engine needs AVX2. Use a server such as Ollama, on this machine or"
            " another (setting external_nodes).",
        )


def _processor_flags() -> set[str] | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((set(line.split()) for line in lines if line.startswith("flags")), None)


def engine(_: Settings) -> Iterator[Finding]:
    """Load the embedded engine in a process of its own: native code may end the process."""
    command = [sys.executable, "-P", "-c", "import xllamacpp; print(xllamacpp.__version__)"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, text=True, timeout=ENGINE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        yield Finding("engine", "problem", "llama.cpp did not load in time", "Run this again.")
        return
    if done.returncode == 0:
        yield Finding("engine", "ok", f"llama.cpp by xllamacpp {done.stdout.strip()}")
        return
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    advice = "Install the locked dependencies again: make clean, then make up."
    yield Finding("engine", "problem", f"llama.cpp does not load: {reason}", advice)


def memory(_: Settings) -> Iterator[Finding]:
    """Compare the free memory with what a useful model takes."""
    import psutil

    from llmlab.cli.output import size

    facts = psutil.virtual_memory()
    detail = f"{size(facts.available)} of {size(facts.total)} free"
    if facts.available < LITTLE_MEMORY:
        yield Finding("memory", "warning", detail, "Close other programs before larger models.")
    else:
        yield Finding("memory", "ok", detail)


def devices(_: Settings) -> Iterator[Finding]:
    """List accelerators."""
    from llmlab.cli.output import size
    from llmlab.models.hardware import devices as find_devices

    cards = [device for device in find_devices() if device.kind != "cpu"]
    for card in cards:
        free = f"{size(card.memory_free)} of {size(card.memory_total)} free"
        yield Finding("accelerator", "ok", f"{card.name} ({card.kind}), {free}")
    if not cards:
        yield Finding("accelerator", "ok", "none found; models run on the processor")


def home(settings: Settings) -> Iterator[Finding]:
    """Check that the home folder can be written, has room, and keeps its secrets."""
    from llmlab.cli.output import size

    folder = settings.home_folder
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        advice = "Choose another folder with --home or LLMLAB_HOME."
        yield Finding("home folder", "problem", f"{folder} cannot be written", advice)
        return
    free = shutil.disk_usage(there).free
    detail = f"{folder}, {size(free)} free on its disk"
    verdict: Verdict = "problem" if free < NO_DISK else "warning" if free < LITTLE_DISK else "ok"
    advice = "" if verdict == "ok" else "Make room, or choose a folder on another disk with --home."
    yield Finding("home folder", verdict, detail, advice)
    for name in ("key", "node-secret", "cache-secret"):
        yield from _secret(folder / name)


def _secret(path: Path) -> Iterator[Finding]:
    if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield Finding(
            "secrets", "warning", f"{path} can be read by others", f"Run: chmod 600 {path}"
        )


def port(settings: Settings) -> Iterator[Finding]:
    """Check that the lab's port is free, or is taken by the lab itself."""
    from llmlab.client.discovery import find_running
    from llmlab.protocol.addresses import listen

    running = find_running(settings)
    if running is not None:
        yield Finding("lab", "ok", f"running at {running.url} (process {running.pid})")
        return
    yield Finding("lab", "ok", "not running; `llmlab up` starts it")
    try:
        listen(settings, settings.port).close()
    except ConfigurationError as error:
        advice = "Choose another port: llmlab up --port 8123"
        yield Finding("port", "problem", f"{error.message}{_owner(settings.port)}", advice)
        return
    yield Finding("port", "ok", f"{settings.port} on {settings.host} is free")


def _owner(number: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.pid and getattr(connection.laddr, "port", 0) == number:
                return f" It is {psutil.Process(connection.pid).name()}, process {connection.pid}."
    except psutil.Error:
        # Whose port it is may be hidden from this user; that it is taken is known.
        return ""
    return ""


def models(settings: Settings) -> Iterator[Finding]:
    """List the models and servers that this machine has."""
    from llmlab.cli.output import size
    from llmlab.models.catalog import ModelCatalog
    from llmlab.models.detect import detect

    catalog = ModelCatalog(settings.home_folder)
    found = asyncio.run(detect(settings, ()))
    for record in (*catalog.records(), *found.files):
        kind = "demo model" if record.demo else record.source
        yield Finding("model", "ok", f"{record.key} ({kind}, {size(record.size_bytes)})")
    for server in found.servers:
        names = ", ".join(model.key for model in server.models[:5]) or "no models"
        yield Finding("server", "ok", f"{server.url} ({server.engine}): {names}")
    if not catalog.records() and not found.records():
        advice = "Fetch one: llmlab models pull OWNER/NAME. Or start a server such as Ollama."
        yield Finding("model", "warning", "none found", advice)
    for url in found.labs:
        yield Finding("lab", "ok", f"one answers at {url}")


CHECKS: tuple[Check, ...] = (python, processor, engine, memory, devices, home, port, models)


def examine(settings: Settings) -> Iterator[Finding]:
    """Make all checks; one that fails is a problem itself and stops no other."""
    for check in CHECKS:
        try:
            yield from check(settings)
        except LabError as error:
            yield Finding(check.__name__, "problem", error.message)
        except OSError as error:
            yield Finding(check.__name__, "problem", str(error))
