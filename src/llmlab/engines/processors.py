"""How many threads a model gets on processors that it has to share."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

SMALL_MODEL = 64 * 1024**2


def threads_for(size: int) -> int:
    """Return the threads for a model whose weights take ``size`` bytes.

    llama.cpp's threads wait for each other by spinning, hundreds of times for each token. With
    more of them than there are idle cores, everybody waits for one that the system has put aside:
    measured on two cores with one of them busy, a small model took 24 s for an answer with two
    threads, and 9 ms with one. So a small model gets one, and a large one leaves a core free.
    """
    return 1 if size <= SMALL_MODEL else max(1, usable_cores() - 1)


def reading_threads_for(size: int) -> int:
    """Return the threads that read a prompt, in one piece of which there is much to do at once.

    Measured on two cores, 300 tokens of a small model: 102 ms with one thread, 72 with two; with
    one core busy 138 and 97, as long as they don't spin while they wait (`OMP_WAIT_POLICY`).
    """
    return min(2, usable_cores()) if size <= SMALL_MODEL else threads_for(size)


def piece_for(size: int) -> int:
    """Return how many tokens of a prompt are read at once on a processor.

    Only after a piece does the engine see that a client has left. A small model reads long pieces
    in a tenth of a second, and faster than short ones.
    """
    return 512 if size <= SMALL_MODEL else 64


def usable_cores() -> int:
    """Return the physical cores that this process may use; at least 1."""
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    cores = min(physical, _affinity() or physical)
    quota = _container_quota()
    return max(1, min(cores, quota) if quota else cores)


def _affinity() -> int | None:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        # macOS and Windows do not tell.
        return None


def _container_quota() -> int | None:
    """Whole cores that a cgroup (version 2) grants."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return None
