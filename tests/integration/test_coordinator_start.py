"""Starts that cannot succeed end with a clear error, and leave nothing behind."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.integration.labs import running_lab
from tests.integration.test_coordinator_workers import worker_processes

from llmlab.api.serve import serve
from llmlab.errors import ConfigurationError, LabError, StoreError
from llmlab.settings import Settings


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings.from_dict({"home": tmp_path, "port": port, "workers": 0})
        with pytest.raises(ConfigurationError, match=str(port)):
            serve(settings)


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"external_nodes": ["nonsense"]}, ConfigurationError, "nonsense"),
        ({"routing": "fastest"}, ConfigurationError, "round_robin"),
        ({"database_url": "mysql://x"}, ConfigurationError, "mysql"),
        ({"database_url": "sqlite:////proc/lab.db"}, StoreError, "lab.db"),
    ],
)
async def test_a_start_that_fails_stops_the_workers(
    tmp_path: Path, wrong: dict[str, object], kind: type[LabError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        async with running_lab(tmp_path, workers=1, **wrong):
            pass
    assert worker_processes() == []
    assert not (tmp_path / "run" / "coordinator.json").exists()
