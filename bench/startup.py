"""From the command to the first answer of the built-in demo model."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from llmlab.testing.process import LabProcess

ROUNDS = 5


def run() -> dict[str, Any]:
    """Start a lab several times: in a new home folder, then in one that exists."""
    with tempfile.TemporaryDirectory(prefix="llmlab-bench-") as folder:
        new = [_round(Path(folder) / str(number)) for number in range(ROUNDS)]
        again = [_round(Path(folder) / "0") for _ in range(ROUNDS)]
    return {
        "new_home_ready_s": _median(new, 0),
        "new_home_first_answer_s": _median(new, 1),
        "used_home_ready_s": _median(again, 0),
        "used_home_first_answer_s": _median(again, 1),
        "rounds": ROUNDS,
    }


def _round(home: Path) -> tuple[float, float]:
    body = {"model": "lab-mini", "messages": [{"role": "user", "content": "Hello!"}]}
    began = time.perf_counter()
    with LabProcess(home) as lab:
        with httpx.Client(trust_env=False, timeout=60) as client:
            answer = client.post(
                f"{lab.url}/v1/chat/completions",
                json=body,
                headers={"authorization": f"Bearer {lab.key}"},
            )
        answered = time.perf_counter() - began
        answer.raise_for_status()
        return lab.started_in, answered


def _median(rounds: list[tuple[float, float]], position: int) -> float:
    return round(statistics.median(times[position] for times in rounds), 3)
