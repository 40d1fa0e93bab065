from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.models.fakes import wait_until

from llmlab.models import journal as journals
from llmlab.models.journal import Journal
from llmlab.models.metrics import ModelMetrics
from llmlab.protocol.lab import InferenceResult
from llmlab.types import Usage, new_id


def result(run_id: str) -> InferenceResult:
    return InferenceResult(
        cache_hit=True,
        load_time_sec=0,
        inference_time_sec=1,
        total_time_sec=1,
        tokens_generated=1,
        gpu_memory_used_gb=0,
        model_name="m",
        strategy="standard",
        output="x",
        run_id=run_id,
    )


def test_prometheus_understands_the_text() -> None:
    metrics = ModelMetrics()
    metrics.request(
        'we"ird\n\\model', "ok", seconds=0.3, first_token=0.02, load_seconds=2.0, usage=Usage(5, 7)
    )
    metrics.request("m", "cancelled", seconds=1000)
    families = {f.name: f for f in text_string_to_metric_families(metrics.to_prometheus())}
    requests = {
        (s.labels["model"], s.labels["outcome"]): s.value
        for s in families["llmlab_model_requests"].samples
    }
    assert requests == {('we"ird\n\\model', "ok"): 1, ("m", "cancelled"): 1}
    tokens = {s.labels["kind"]: s.value for s in families["llmlab_model_tokens"].samples}
    assert tokens == {"prompt": 5, "completion": 7}
    buckets = {
        s.labels["le"]: s.value
        for s in families["llmlab_model_request_seconds"].samples
        if s.name.endswith("_bucket") and s.labels["model"] == "m"
    }
    assert buckets["300.0"] == 0
    assert buckets["+Inf"] == 1
    assert families["llmlab_model_load_seconds"].type == "histogram"


def test_the_same_as_json() -> None:
    metrics = ModelMetrics()
    before = metrics.version
    metrics.request("m", "ok", seconds=0.5)
    metrics.request("m", "ok", seconds=0.25)
    assert metrics.version > before
    content = cast("Any", json.loads(json.dumps(metrics.to_dict())))
    assert content["llmlab_model_requests_total"] == [
        {
            "name": "llmlab_model_requests_total",
            "labels": {"model": "m", "outcome": "ok"},
            "value": 2,
        }
    ]
    seconds = {s["name"]: s["value"] for s in content["llmlab_model_request_seconds"]}
    assert seconds == {
        "llmlab_model_request_seconds_sum": 0.75,
        "llmlab_model_request_seconds_count": 2,
    }


async def test_metrics_are_written_when_they_changed(tmp_path: Path) -> None:
    metrics = ModelMetrics()
    journal = Journal(tmp_path, "w", metrics, interval=0.01)
    journal.start()
    metrics.request("m", "ok", seconds=1)
    path = tmp_path / "metrics/w.json"
    await asyncio.to_thread(wait_until, path.exists)
    written = path.stat().st_mtime_ns
    await asyncio.sleep(0.05)
    assert path.stat().st_mtime_ns == written
    await journal.aclose()
    journal.start()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "model journal"]


async def test_nothing_is_written_when_nothing_happened(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w", ModelMetrics())
    await journal.aclose()
    assert list(tmp_path.iterdir()) == []


async def test_the_newest_results_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "PRUNE_EVERY", 1)
    journal = Journal(tmp_path, "w", ModelMetrics(), keep=3)
    ids = [new_id("run") for _ in range(3)] + ["run_f" + "0" * 25, "run_f" + "1" * 25]
    for run_id in ids:
        journal.add(result(run_id))
    await journal.aclose()
    kept = sorted(path.stem for path in (tmp_path / "results").iterdir())
    assert len(kept) == 3
    assert kept[-2:] == ids[-2:]


async def test_a_disk_that_refuses_is_told_and_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "results").write_text("in the way")
    journal = Journal(tmp_path, "w", ModelMetrics(), interval=0.01)
    journal.start()
    journal.add(result("run_1"))
    await asyncio.to_thread(wait_until, lambda: "not written" in caplog.text)
    (tmp_path / "results").unlink()
    journal.add(result("run_2"))
    await asyncio.to_thread(wait_until, (tmp_path / "results/run_2.json").exists)
    await journal.aclose()


async def test_a_disk_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "CLOSE_DEADLINE", 0.05)
    disk = threading.Event()
    monkeypatch.setattr(journals, "write_atomic", lambda *_, **__: disk.wait(10))
    journal = Journal(tmp_path, "w", ModelMetrics())
    journal.start()
    journal.add(result("run_1"))
    await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        await journal.aclose()
    disk.set()
