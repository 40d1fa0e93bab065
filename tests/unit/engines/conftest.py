"""A loaded tiny model, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmlab.engines.llama_cpp import LaunchOptions, LlamaCppProcess, launch
from llmlab.testing.tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return write_tiny_gguf(folder / "tiny.gguf", context_length=65536)


@pytest.fixture
def process(tiny: Path) -> Iterator[LlamaCppProcess]:
    options = LaunchOptions(context_length=65536, parallel=2)
    loaded = launch(tiny, options, timeout=60)
    yield loaded
    loaded.stop()
