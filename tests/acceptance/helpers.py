"""What the acceptance tests share: the command as a user runs it, and waiting for a state."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

PATIENCE = 60.0


def variables(home: Path) -> dict[str, str]:
    """Return this process's environment with a home folder and no other setting of the lab."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLMLAB_")}
    return kept | {"LLMLAB_HOME": str(home)}


def llmlab(home: Path, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command with a home folder."""
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    return subprocess.run(
        [sys.executable, "-P", "-m", "llmlab", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=variables(home),
        **options,
    )


def until(found: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
    """Wait for a state and return what told it."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "the state did not come"
        time.sleep(0.05)
    return value


def descendants(pid: int, title: str) -> list[psutil.Process]:
    """Return the processes below one whose title begins with these words."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if " ".join(process.cmdline()).startswith(title):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found
