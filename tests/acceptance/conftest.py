"""Real labs in processes of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.acceptance.helpers import llmlab

from llmlab.testing.process import LabProcess


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    """A lab with one worker and the demo model, shared by the tests of a file."""
    with LabProcess(tmp_path_factory.mktemp("lab") / "home") as running:
        yield running


@pytest.fixture
def http(lab: LabProcess) -> Iterator[httpx.Client]:
    """A plain HTTP client that shows the lab's key."""
    headers = {"authorization": f"Bearer {lab.key}"}
    with httpx.Client(base_url=lab.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def command(lab: LabProcess) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``llmlab`` as a user of that lab does."""

    def run(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return llmlab(lab.home, *words, **options)

    return run
