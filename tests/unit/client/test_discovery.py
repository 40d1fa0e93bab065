"""Finding the lab of a home folder, and its key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from llmlab.client import connect, find_key, find_running
from llmlab.errors import AuthenticationError, ConfigurationError, UnavailableError
from llmlab.settings import Settings


def settings_of(home: Path, **values: object) -> Settings:
    return Settings.from_dict({"home": str(home), **values})


def write_state(home: Path, **changed: object) -> None:
    state = {
        "pid": os.getpid(),
        "url": "http://127.0.0.1:8123",
        "started_at": psutil.Process().create_time() + 1,
        "instance_id": "i" * 12,
    }
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / "coordinator.json").write_text(json.dumps(state | changed))


def test_a_running_lab_is_found_with_its_key(tmp_path: Path) -> None:
    write_state(tmp_path)
    (tmp_path / "key").write_text("lab-abc\n")
    settings = settings_of(tmp_path)
    running = find_running(settings)
    assert running is not None
    assert running.url == "http://127.0.0.1:8123"
    assert find_key(settings) == "lab-abc"
    with connect(settings) as client:
        assert client.url == running.url


def test_without_a_lab_the_message_says_how_to_start_one(tmp_path: Path) -> None:
    assert find_running(settings_of(tmp_path)) is None
    with pytest.raises(UnavailableError, match="llmlab up"):
        connect(settings_of(tmp_path))


@pytest.mark.parametrize("content", ["", "[]", "{", '{"pid": "x"}'])
def test_a_damaged_file_is_no_lab(tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "coordinator.json").write_text(content)
    assert find_running(settings_of(tmp_path)) is None


def test_a_crashed_lab_is_not_taken_for_a_running_one(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    began = time.time()
    child.wait()
    write_state(tmp_path, pid=child.pid, started_at=began)
    assert find_running(settings_of(tmp_path)) is None


def test_another_process_with_the_same_number_is_no_lab(tmp_path: Path) -> None:
    write_state(tmp_path, started_at=psutil.Process().create_time() - 3600)
    assert find_running(settings_of(tmp_path)) is None


def test_an_address_goes_before_what_runs_here(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, url="http://elsewhere:9000/", api_key="lab-other")
    with connect(settings) as client:
        assert client.url == "http://elsewhere:9000"


def test_a_port_alone_means_this_machine(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, port=8124, api_key="lab-other")
    with connect(settings) as client:
        assert client.url == "http://127.0.0.1:8124"


def test_what_runs_here_goes_before_a_port(tmp_path: Path) -> None:
    write_state(tmp_path)
    with connect(settings_of(tmp_path, port=8124, api_key="lab-other")) as client:
        assert client.url == "http://127.0.0.1:8123"


def test_an_address_without_a_key_says_where_the_key_is(tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match="llmlab key"):
        connect(settings_of(tmp_path, url="http://elsewhere:9000"))


@pytest.mark.parametrize("url", ["elsewhere", "ftp://elsewhere", "http://", "http://a:99999"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1"):
        connect(settings_of(tmp_path, url=url, api_key="lab-other"))
