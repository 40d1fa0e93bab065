"""An answer from the response cache over HTTP, on one connection and on 16."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.gateway import PATH, await_model, backend, question
from bench.load import measure
from llmlab.testing.process import LabProcess


def run() -> dict[str, Any]:
    """Ask the same question again and again."""
    with (
        tempfile.TemporaryDirectory(prefix="llmlab-bench-") as folder,
        backend() as server,
        LabProcess(Path(folder), "--workers", "0", "--external", server) as lab,
    ):
        await_model(lab)
        return {
            f"{name}_{connections}_connections": _measure(lab, connections, stream=stream)
            for name, stream in (("whole", False), ("stream", True))
            for connections in (1, 16)
        }


def _measure(lab: LabProcess, connections: int, *, stream: bool) -> dict[str, Any]:
    body = question("the same", stream=stream)
    figures = measure(lab.url, PATH, lambda _: body, key=lab.key, connections=connections)
    return asdict(figures)
