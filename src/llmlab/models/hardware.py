"""What this machine has: processors, accelerators, memory, and how much of it models may take.

NVIDIA and AMD cards are asked through their own tools, which may be slow or hang: each call has
a deadline, and its answer is kept for a moment.
"""

from __future__ import annotations

import csv
import json
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from llmlab.log import get_logger
from llmlab.protocol.lab import DeviceReport
from llmlab.settings import Settings

GB = 1024**3
MB = 1024**2

# Left to the rest of the machine when no budget is set.
RESERVED_SHARE = 0.05
RESERVED_MOST = 1 * GB

TOOL_DEADLINE = 10.0
KEPT_FOR = 5.0

_NVIDIA_CARDS = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,memory.free,utilization.gpu",
    "--format=csv,noheader,nounits",
)
_NVIDIA_PROCESSES = (
    "nvidia-smi",
    "--query-compute-apps=pid,used_memory",
    "--format=csv,noheader,nounits",
)
_AMD_CARDS = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--showuse", "--json")
_ENGINE_DEVICES = (
    sys.executable,
    "-P",
    "-c",
    "import json, xllamacpp as x; print(json.dumps([int(d['type']) for d in x.get_device_info()]))",
)
# ggml's device types: discrete and integrated graphics.
_GGML_GRAPHICS = {1, 2}

RunTool = Callable[[Sequence[str]], str | None]

_log = get_logger(__name__)


def run_tool(command: Sequence[str]) -> str | None:
    """Return what a tool prints; None when it is missing, fails or takes too long."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands, no words of a user
            command, capture_output=True, text=True, timeout=TOOL_DEADLINE, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("device tool failed", extra={"tool": command[0], "reason": str(error)})
        return None
    return done.stdout


class Hardware:
    """Devices and memory of this machine; thread-safe, answers of tools kept for 5 seconds.

    Args:
        run: How tools are called; returns their output, or None.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, *, run: RunTool = run_tool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run = run
        self._clock = clock
        self._kept: dict[tuple[str, ...], tuple[float, str | None]] = {}
        self._offloads: bool | None = None

    def devices(self) -> list[DeviceReport]:
        """Return the processor and all accelerators; may take seconds where a tool is slow."""
        return [self._processor(), *self.accelerators()]

    def accelerators(self) -> list[DeviceReport]:
        """Return the graphics cards, NVIDIA's and AMD's."""
        cards = parse_nvidia_cards(self._ask(_NVIDIA_CARDS) or "")
        return cards + parse_amd_cards(self._ask(_AMD_CARDS) or "")

    def offloads(self) -> bool:
        """Whether the embedded engine puts models on an accelerator with memory of its own."""
        if self._offloads is None:
            # Without a card there is nothing to ask, and the question costs a process.
            self._offloads = bool(self.accelerators()) and _any_accelerator(
                self._run(_ENGINE_DEVICES)
            )
        return self._offloads

    def free_memory(self) -> int:
        """Return bytes that models could take now: on the cards, or else in main memory."""
        if self.offloads():
            return sum(card.memory_free for card in self.accelerators())
        return max(0, available_memory() - reserved_memory())

    def memory_budget(self, settings: Settings, in_use: int = 0) -> int:
        """Return the bytes that models may take together on this machine.

        Args:
            settings: ``max_vram_usage`` (GB of 1024³ bytes) decides where it is set.
            in_use: Bytes that models take already; without a set budget they are part of it.
        """
        if settings.max_vram_usage is not None:
            return int(settings.max_vram_usage * GB)
        return in_use + self.free_memory()

    def accelerator_memory(self, pid: int) -> int:
        """Return the bytes that a process takes on NVIDIA cards; 0 where that is unknown."""
        if not self.offloads():
            return 0
        return parse_nvidia_processes(self._ask(_NVIDIA_PROCESSES) or "").get(pid, 0)

    def _ask(self, command: tuple[str, ...]) -> str | None:
        kept = self._kept.get(command)
        if kept is None or self._clock() - kept[0] > KEPT_FOR:
            kept = (self._clock(), self._run(command))
            self._kept[command] = kept
        return kept[1]

    def _processor(self) -> DeviceReport:
        return DeviceReport(
            kind="apple" if _unified() else "cpu",
            name=_processor_name(),
            memory_total=total_memory(),
            memory_free=available_memory(),
            load=min(1.0, psutil.cpu_percent(interval=None) / 100),
        )


def devices() -> list[DeviceReport]:
    """Return what this machine has, asked anew; see :class:`Hardware` for one that keeps."""
    return Hardware().devices()


def memory_budget(settings: Settings) -> int:
    """Return the bytes that models may take on this machine while none is loaded."""
    return Hardware().memory_budget(settings)


def total_memory() -> int:
    """Return the bytes of main memory, or of the container's share of it."""
    limit = _container_limit()
    total = int(psutil.virtual_memory().total)
    return min(total, limit[0]) if limit else total


def available_memory() -> int:
    """Return the bytes that new processes could take without swapping."""
    limit = _container_limit()
    available = int(psutil.virtual_memory().available)
    return min(available, limit[1]) if limit else available


def reserved_memory() -> int:
    """Return the bytes that are left to the rest of the machine."""
    return int(min(RESERVED_MOST, RESERVED_SHARE * total_memory()))


def parse_nvidia_cards(output: str) -> list[DeviceReport]:
    """Read ``nvidia-smi --query-gpu`` (name, total and free MiB, load in percent)."""
    cards = []
    for row in csv.reader(output.splitlines(), skipinitialspace=True):
        if len(row) != 4:
            continue
        total, free, load = (_number(cell) for cell in row[1:])
        # A card with unified memory (DGX Spark, Jetson) answers "[N/A]" for its memory.
        cards.append(_card("nvidia", row[0], (total or 0) * MB, (free or 0) * MB, load))
    return cards


def parse_nvidia_processes(output: str) -> dict[int, int]:
    """Read ``nvidia-smi --query-compute-apps``: bytes by process id, summed over cards."""
    used: dict[int, int] = {}
    for row in csv.reader(output.splitlines(), skipinitialspace=True):
        if len(row) == 2 and row[0].isdigit():
            pid = int(row[0])
            used[pid] = used.get(pid, 0) + int((_number(row[1]) or 0) * MB)
    return used


def parse_amd_cards(output: str) -> list[DeviceReport]:
    """Read ``rocm-smi --json``; bytes come as text."""
    try:
        cards = json.loads(output) if output.strip() else {}
    except ValueError:
        return []
    return [
        _amd_card(values)
        for name, values in sorted(cards.items() if isinstance(cards, dict) else ())
        if name.startswith("card") and isinstance(values, dict)
    ]


def _amd_card(values: dict[str, Any]) -> DeviceReport:
    total = _number(values.get("VRAM Total Memory (B)")) or 0
    used = _number(values.get("VRAM Total Used Memory (B)")) or 0
    name = values.get("Card Series") or values.get("Card series") or "AMD GPU"
    return _card("amd", str(name), total, total - used, _number(values.get("GPU use (%)")))


def _card(kind: str, name: str, total: float, free: float, percent: float | None) -> DeviceReport:
    return DeviceReport(
        kind=kind,
        name=name.strip(),
        memory_total=int(total),
        memory_free=max(0, int(free)),
        load=None if percent is None else min(1.0, percent / 100),
    )


def _number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None


def _any_accelerator(output: str | None) -> bool:
    try:
        return not _GGML_GRAPHICS.isdisjoint(json.loads(output or "[]"))
    except (ValueError, TypeError):
        _log.warning("the llama.cpp package does not tell its devices", extra={"output": output})
        return False


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.machine() or "CPU"


def _unified() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _container_limit() -> tuple[int, int] | None:
    """Total and free bytes that a memory cgroup (version 2) leaves to this process."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        if limit == "max":
            return None
        used = int((folder / "memory.current").read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return None
    # The page cache that can be dropped counts as used there, and as free to us.
    cache = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    return int(limit), max(0, int(limit) - used + cache)
