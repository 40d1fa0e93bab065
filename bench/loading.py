"""Time to the first token with the model in memory, and when it must be loaded."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from llmlab.testing.process import LabProcess

ROUNDS = 10


def run() -> dict[str, Any]:
    """Ask the demo model, unloading it before every second question."""
    hits: list[float] = []
    misses: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="llmlab-bench-") as folder,
        LabProcess(Path(folder)) as lab,
        lab.client() as client,
    ):
        _first_token(lab, "Wake up!")
        for number in range(ROUNDS):
            hits.append(_first_token(lab, f"Hello {number}!"))
            client.unload_all()
            misses.append(_first_token(lab, f"Hello again {number}!"))
    hit, miss = statistics.median(hits), statistics.median(misses)
    return {
        "model": "lab-mini (demo model)",
        "hit_first_token_s": round(hit, 4),
        "miss_first_token_s": round(miss, 4),
        "miss_to_hit": round(miss / hit, 1),
        "rounds": ROUNDS,
    }


def _first_token(lab: LabProcess, text: str) -> float:
    body = {
        "model": "lab-mini",
        "messages": [{"role": "user", "content": text}],
        "stream": True,
        "cache": False,
        "max_tokens": 16,
    }
    headers = {"authorization": f"Bearer {lab.key}"}
    began = time.perf_counter()
    first = 0.0
    with httpx.stream(
        "POST",
        f"{lab.url}/v1/chat/completions",
        json=body,
        headers=headers,
        timeout=60,
        trust_env=False,
    ) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if not first and line.startswith("data: {") and _has_text(line):
                first = time.perf_counter() - began
    if not first:
        raise RuntimeError("the answer had no text")
    return first


def _has_text(line: str) -> bool:
    choices = json.loads(line.removeprefix("data: "))["choices"]
    return any(choice["delta"].get("content") for choice in choices)
