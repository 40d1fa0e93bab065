"""How loaded models go: unloaded, idle for too long, crashed, closed."""

from __future__ import annotations

import threading

import pytest
from tests.unit.models.fakes import (
    MODEL_MEMORY,
    Background,
    Clock,
    FakeLauncher,
    MakeManager,
    keys,
    room_for,
    wait_until,
)

from llmlab.errors import ConflictError, EngineCrashedError, ModelLoadingError, UnavailableError
from llmlab.models.catalog import ModelCatalog
from llmlab.models.manager import ModelManager
from llmlab.models.records import ModelRecord


def _refuses(manager: ModelManager) -> bool:
    with pytest.raises(UnavailableError) as caught:
        manager.lease("a", timeout=0.001)
    return not isinstance(caught.value, ModelLoadingError)


def test_unloading(manager: ModelManager, launcher: FakeLauncher) -> None:
    assert not manager.unload_model("a")
    manager.load_model("a")
    assert manager.unload_model("a")
    assert launcher.processes[0].stops == 1
    assert keys(manager) == []


def test_a_busy_model_is_unloaded_only_by_force(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    lease = manager.lease("a")
    with pytest.raises(ConflictError, match="answering 1"):
        manager.unload_model("a")
    assert launcher.processes[0].stops == 0
    assert manager.unload_model("a", force=True)
    assert launcher.processes[0].stops == 1
    lease.release()
    assert keys(manager) == []


def test_a_loading_model_cannot_be_unloaded(manager: ModelManager, launcher: FakeLauncher) -> None:
    launcher.gate.clear()
    caller = Background(lambda: manager.load_model("a"))
    assert launcher.started.acquire(timeout=5)
    with pytest.raises(ConflictError, match="being loaded"):
        manager.unload_model("a", force=True)
    launcher.gate.set()
    caller.get()


def test_cleanup_unloads_what_is_idle(manager: ModelManager) -> None:
    for key in ("a", "b", "c"):
        manager.load_model(key)
    with manager.lease("b"):
        assert manager.cleanup_all() == ["a", "c"]
        assert keys(manager) == ["b"]
    assert manager.cleanup_all() == ["b"]
    assert manager.cleanup_all() == []


def test_an_idle_model_leaves_after_its_ttl_and_a_busy_one_stays(
    make_manager: MakeManager,
) -> None:
    clock = Clock()
    manager = make_manager(model_ttl=60, clock=clock)
    manager.load_model("a")
    with manager.lease("b"):
        clock.now += 61
        wait_until(lambda: keys(manager) == ["b"])
    # Its time begins when it was used last, not when it was loaded.
    clock.now += 30
    assert keys(manager) == ["b"]
    clock.now += 31
    wait_until(lambda: keys(manager) == [])


def test_a_ttl_of_zero_means_never(make_manager: MakeManager) -> None:
    clock = Clock()
    manager = make_manager(model_ttl=0, clock=clock)
    manager.load_model("a")
    clock.now += 1e9
    manager.load_model("b")
    assert keys(manager) == ["a", "b"]


def test_growing_memory_is_measured_again(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    clock = Clock()
    manager = make_manager(clock=clock)
    model = manager.load_model("a")
    launcher.processes[0].memory = 7 * MODEL_MEMORY
    clock.now += 10
    wait_until(lambda: model.memory_bytes == 7 * MODEL_MEMORY)


def test_a_dead_idle_process_is_noticed_and_the_next_request_loads_again(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    manager.load_model("a")
    launcher.processes[0].running = False
    assert manager.get_model("a") is None
    assert manager.try_lease("a") is None
    # Its remains are collected though nobody asks for it.
    wait_until(lambda: launcher.processes[0].stops == 1)
    with manager.lease("a") as model:
        assert model.alive()
    assert launcher.launched == ["a", "a"]


def test_a_dead_process_is_collected_though_nobody_looks(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    manager.load_model("a")
    launcher.processes[0].running = False
    wait_until(lambda: launcher.processes[0].stops == 1)
    assert manager.get_memory_stats().used == 0


def test_a_reported_crash_drops_the_model_that_was_meant(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    lease = manager.lease("a")
    manager.report_crash(lease.model)
    assert keys(manager) == []
    lease.release()
    again = manager.load_model("a")
    manager.report_crash(lease.model)
    assert manager.get_model("a") is again


def test_a_crash_loop_is_slowed_down_and_ends_with_an_answer(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    clock = Clock()
    manager = make_manager(clock=clock)
    launcher.error = EngineCrashedError("signal 11")
    for _ in range(3):
        with pytest.raises(EngineCrashedError, match="signal 11"):
            manager.load_model("a")
    launcher.error = None
    with pytest.raises(EngineCrashedError, match="crashed 3 times in a row") as caught:
        manager.load_model("a")
    assert caught.value.retry_after == pytest.approx(1.0)
    assert len(launcher.launched) == 3
    assert manager.load_model("b").key == "b"
    clock.now += 1.1
    manager.lease("a").release()
    launcher.processes[-1].running = False
    assert manager.load_model("a").key == "a"


def test_processes_that_die_before_they_answer_count_as_crashes(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    manager = make_manager(clock=Clock())
    for _ in range(3):
        manager.load_model("a")
        launcher.processes[-1].running = False
        assert manager.get_model("a") is None
    with pytest.raises(EngineCrashedError, match="before it answered"):
        manager.load_model("a")


def test_a_model_at_a_server_has_no_process(
    manager: ModelManager, catalog: ModelCatalog, launcher: FakeLauncher
) -> None:
    url = "http://127.0.0.1:9"
    catalog.set_detected([ModelRecord("remote", "openai", url=url, remote_name="x/y")])
    model = manager.load_model("remote")
    assert model.process is None
    assert model.engine.name == "openai"
    assert model.record.served_name == "x/y"
    assert launcher.launched == []
    manager.report_crash(model)
    assert manager.get_model("remote") is model
    assert manager.unload_model("remote")


def test_close_stops_everything_and_refuses_more(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    before = threading.active_count()
    manager.load_model("a")
    lease = manager.lease("b")
    manager.close()
    assert [process.stops for process in launcher.processes] == [1, 1]
    lease.release()
    with pytest.raises(UnavailableError, match="being stopped"):
        manager.load_model("a")
    assert manager.try_lease("a") is None
    assert threading.active_count() <= before
    manager.close()


def test_close_ends_a_load_that_is_under_way(manager: ModelManager, launcher: FakeLauncher) -> None:
    launcher.gate.clear()
    caller = Background(lambda: manager.load_model("a"))
    assert launcher.started.acquire(timeout=5)
    manager.close()
    with pytest.raises(UnavailableError):
        caller.get()


def test_close_ends_a_wait_for_room(make_manager: MakeManager) -> None:
    manager = make_manager(max_vram_usage=room_for(1.5))
    lease = manager.lease("a")
    caller = Background(lambda: manager.load_model("b"))
    wait_until(lambda: bool(manager.loading()))
    manager.close()
    with pytest.raises(UnavailableError):
        caller.get()
    lease.release()


def test_a_process_that_comes_after_the_end_is_stopped(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    launcher.tells_progress = False
    launcher.gate.clear()
    caller = Background(lambda: manager.load_model("a"))
    assert launcher.started.acquire(timeout=5)
    closer = Background(manager.close)
    wait_until(lambda: _refuses(manager))
    launcher.gate.set()
    with pytest.raises(UnavailableError):
        caller.get()
    closer.get()
    assert [process.stops for process in launcher.processes] == [1]
