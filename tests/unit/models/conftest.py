"""A manager over fake child processes, with tiny model files that are real."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.models.fakes import FakeLauncher, MakeManager

from llmlab.models.catalog import ModelCatalog
from llmlab.models.manager import ModelManager
from llmlab.settings import Settings
from llmlab.testing.tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def launcher() -> FakeLauncher:
    return FakeLauncher()


@pytest.fixture
def catalog(home: Path, tiny_file: Path, tmp_path: Path) -> ModelCatalog:
    catalog = ModelCatalog(home, builtin=None)
    for name in ("a", "b", "c", "d"):
        shutil.copy(tiny_file, tmp_path / f"{name}.gguf")
        catalog.add(tmp_path / f"{name}.gguf")
    return catalog


@pytest.fixture
def make_manager(
    catalog: ModelCatalog, launcher: FakeLauncher, home: Path
) -> Iterator[MakeManager]:
    made: list[ModelManager] = []

    def make(
        *, clock: Callable[[], float] = time.monotonic, interval: float = 0.02, **values: Any
    ) -> ModelManager:
        settings = Settings.from_dict({"home": str(home), **values})
        manager = ModelManager(catalog, settings, launcher=launcher, clock=clock, interval=interval)
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def manager(make_manager: MakeManager) -> ModelManager:
    return make_manager()
