"""The commands that need no lab: settings and the key."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from llmlab.settings import Settings


def test_every_setting_is_shown_with_its_source(
    run: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    (home / "llmlab.yaml").write_text("workers: 3\n")
    monkeypatch.setenv("LLMLAB_PORT", "8123")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-value")
    settings = run("config", "--json").json
    assert set(settings) == set(Settings.model_fields)
    assert settings["port"] == {"value": 8123, "source": "LLMLAB_PORT"}
    assert settings["workers"] == {"value": 3, "source": str(home / "llmlab.yaml")}
    assert settings["host"]["source"] == "default"
    shown = run("config").out
    assert "very-secret" not in shown
    assert "***" in shown


def test_the_key_alone_is_printed_and_stays(run: Any, home: Path) -> None:
    first = run("key")
    assert first.out.startswith("lab-")
    assert first.out.count("\n") == 1
    assert run("key").out == first.out
    assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600


def test_a_key_of_the_settings_goes_first(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMLAB_API_KEY", "lab-mine")
    assert run("key").out == "lab-mine\n"
