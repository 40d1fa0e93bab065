"""Runs the programs that the model writes, each in a folder and a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

DEADLINE = 30.0


def passes_tests(files: Sequence[tuple[str, str]]) -> bool:
    """Whether the files contain tests, and all of them pass.

    Args:
        files: Relative path and content of each file.
    """
    with tempfile.TemporaryDirectory(prefix="lab-mini-code-") as folder:
        for name, content in files:
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-m", "unittest", "discover", "-v"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    # No tests at all is a success for some versions of Python.
    return done.returncode == 0 and "Ran 0 tests" not in done.stderr
