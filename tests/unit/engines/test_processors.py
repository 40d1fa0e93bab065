from __future__ import annotations

import os

from llmlab.engines import processors
from llmlab.engines.processors import piece_for, reading_threads_for, threads_for, usable_cores


def test_a_small_model_gets_one_thread() -> None:
    assert threads_for(5_000_000) == 1


def test_two_threads_read_a_small_models_prompts_in_long_pieces(monkeypatch) -> None:
    monkeypatch.setattr(processors, "usable_cores", lambda: 8)
    assert reading_threads_for(5_000_000) == 2
    assert reading_threads_for(5 * 1024**3) == threads_for(5 * 1024**3) == 7
    assert piece_for(5_000_000) > piece_for(5 * 1024**3)
    monkeypatch.setattr(processors, "usable_cores", lambda: 1)
    assert reading_threads_for(5_000_000) == 1


def test_a_large_model_leaves_a_core_free() -> None:
    assert 1 <= threads_for(5 * 1024**3) <= max(1, (os.cpu_count() or 1) - 1)
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_a_share_of_a_container_counts(monkeypatch) -> None:
    monkeypatch.setattr(processors.psutil, "cpu_count", lambda logical: 64)
    monkeypatch.setattr(processors, "_affinity", lambda: 32)
    monkeypatch.setattr(processors, "_container_quota", lambda: None)
    assert usable_cores() == 32
    monkeypatch.setattr(processors, "_container_quota", lambda: 4)
    assert usable_cores() == 4
    assert threads_for(5 * 1024**3) == 3
