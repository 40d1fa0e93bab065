from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.unit.models.fakes import (
    MODEL_MEMORY,
    Background,
    Clock,
    FakeLauncher,
    MakeManager,
    room_for,
    wait_until,
)

from llmlab.engines.llama_cpp import LaunchOptions
from llmlab.errors import (
    ConflictError,
    EngineCrashedError,
    EngineError,
    InvalidModelFileError,
    InvalidRequestError,
    ModelLoadingError,
    ModelNotFoundError,
    OutOfMemoryError,
    UnavailableError,
)
from llmlab.models.catalog import ModelCatalog
from llmlab.models.manager import ModelManager
from llmlab.models.records import ModelRecord


def keys(manager: ModelManager) -> list[str]:
    return sorted(model.key for model in manager.loaded())


def test_a_model_is_loaded_and_found_again(manager: ModelManager, launcher: FakeLauncher) -> None:
    assert manager.get_model("a") is None
    model = manager.load_model("a")
    assert manager.get_model("a") is model
    assert manager.load_model("a") is model
    assert launcher.launched == ["a"]
    assert model.key == "a"
    assert model.strategy == "standard"
    assert model.memory_bytes == MODEL_MEMORY
    assert model.in_flight == 0
    entry = model.entry("node-1")
    assert (entry.model, entry.engine, entry.node) == ("a", "llama_cpp", "node-1")


def test_an_unknown_model_names_the_ones_that_exist(manager: ModelManager) -> None:
    with pytest.raises(ModelNotFoundError, match="There are a, b, c, d"):
        manager.load_model("nope")


def test_an_unknown_strategy_names_the_ones_that_exist(manager: ModelManager) -> None:
    with pytest.raises(InvalidRequestError, match="standard, optimized"):
        manager.load_model("a", "fastest")


def test_an_unknown_load_option_names_the_ones_that_exist(manager: ModelManager) -> None:
    with pytest.raises(InvalidRequestError, match="context_length, parallel"):
        manager.load_model("a", color="red")
    assert keys(manager) == []


def test_loaded_once_however_many_threads_ask(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    launcher.gate.clear()
    callers = [Background(lambda: manager.load_model("a")) for _ in range(40)]
    assert launcher.started.acquire(timeout=5)
    launcher.gate.set()
    models = {id(caller.get()) for caller in callers}
    assert len(models) == 1
    assert launcher.launched == ["a"]


def test_different_models_load_side_by_side(manager: ModelManager, launcher: FakeLauncher) -> None:
    launcher.gate.clear()
    callers = [Background(lambda key=key: manager.load_model(key)) for key in "abc"]
    for _ in callers:
        assert launcher.started.acquire(timeout=5)
    assert {progress.model for progress in manager.loading()} == {"a", "b", "c"}
    launcher.gate.set()
    for caller in callers:
        caller.get()
    assert keys(manager) == ["a", "b", "c"]
    assert manager.loading() == []


def test_progress_of_a_load_is_shown(manager: ModelManager, launcher: FakeLauncher) -> None:
    launcher.gate.clear()
    caller = Background(lambda: manager.load_model("a"))
    wait_until(lambda: any(load.fraction == 0.5 for load in manager.loading()))
    (load,) = manager.loading()
    assert (load.model, load.strategy) == ("a", "standard")
    assert load.seconds >= 0
    launcher.gate.set()
    caller.get()


def test_a_failed_load_reaches_everybody_and_leaves_nothing(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    launcher.gate.clear()
    launcher.error = EngineCrashedError("it went up in smoke")
    callers = [Background(lambda: manager.load_model("a")) for _ in range(5)]
    assert launcher.started.acquire(timeout=5)
    wait_until(lambda: bool(manager.loading()))
    launcher.gate.set()
    for caller in callers:
        with pytest.raises(EngineCrashedError, match="smoke"):
            caller.get()
    assert keys(manager) == []
    assert manager.get_memory_stats().used == 0
    launcher.error = None
    assert manager.load_model("a").key == "a"


def test_a_foreign_error_comes_out_as_the_labs(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    launcher.error = OSError("too many processes")
    with pytest.raises(EngineError, match="a could not be loaded: too many processes"):
        manager.load_model("a")


def test_who_waits_for_a_load_has_a_deadline_of_its_own(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    launcher.gate.clear()
    caller = Background(lambda: manager.load_model("a"))
    assert launcher.started.acquire(timeout=5)
    with pytest.raises(ModelLoadingError, match="a is still being loaded"):
        manager.lease("a", timeout=0.02)
    launcher.gate.set()
    assert caller.get().key == "a"


def test_a_corrupt_file_is_refused_by_name_before_the_engine_sees_it(
    manager: ModelManager, catalog: ModelCatalog, launcher: FakeLauncher
) -> None:
    path = catalog.get("a").path
    assert path is not None
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InvalidModelFileError, match=r"a\.gguf"):
        manager.load_model("a")
    assert launcher.launched == []


def test_strategies_are_residents_of_their_own(
    manager: ModelManager, launcher: FakeLauncher
) -> None:
    standard = manager.load_model("a")
    optimized = manager.load_model("a", "optimized")
    assert standard is not optimized
    assert [options.kv_type for options in launcher.options] == ["f16", "q8_0"]
    with manager.lease("a", "optimized") as model:
        assert model is optimized
    with manager.lease("a") as model:
        assert model is standard
    assert manager.unload_model("a")
    assert keys(manager) == []


def test_any_strategy_will_do_for_who_names_none(manager: ModelManager) -> None:
    optimized = manager.load_model("a", "optimized")
    assert manager.load_model("a") is optimized
    lease = manager.try_lease("a")
    assert lease is not None
    lease.release()
    assert manager.try_lease("a", "standard") is None


def test_load_options_can_be_given(manager: ModelManager, launcher: FakeLauncher) -> None:
    model = manager.load_model("a", context_length=512, parallel=1)
    assert isinstance(model.options, LaunchOptions)
    assert (model.options.context_length, model.options.parallel) == (512, 1)
    assert manager.load_model("a", parallel=1, context_length=512) is model
    assert manager.load_model("a") is model
    assert manager.load_model("a", context_length=256) is not model


def test_try_lease_never_loads(manager: ModelManager, launcher: FakeLauncher) -> None:
    assert manager.try_lease("a") is None
    launcher.gate.clear()
    caller = Background(lambda: manager.load_model("a"))
    assert launcher.started.acquire(timeout=5)
    assert manager.try_lease("a") is None
    launcher.gate.set()
    caller.get()
    lease = manager.try_lease("a")
    assert lease is not None
    with lease as model:
        assert model.in_flight == 1
    assert model.in_flight == 0
    lease.release()
    assert model.in_flight == 0


# Memory -----------------------------------------------------------------------------------


def test_the_least_recently_used_idle_model_leaves(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    clock = Clock()
    manager = make_manager(max_vram_usage=room_for(3), clock=clock)
    for key in ("a", "b", "c"):
        manager.load_model(key)
        clock.now += 1
    with manager.lease("a"):
        clock.now += 1
    manager.load_model("d")
    assert keys(manager) == ["a", "c", "d"]
    assert launcher.processes[1].stops == 1
    assert launcher.engines[1].closed
    assert manager.get_memory_stats().used == 3 * MODEL_MEMORY


def test_what_is_measured_counts_and_not_what_was_estimated(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    manager = make_manager(max_vram_usage=room_for(4))
    launcher.memory = 3 * MODEL_MEMORY
    manager.load_model("a")
    launcher.memory = MODEL_MEMORY
    manager.load_model("b")
    # By estimates four would fit; the first one turned out to be as large as three.
    manager.load_model("c")
    assert keys(manager) == ["b", "c"]


def test_a_model_that_grew_too_large_pushes_idle_ones_out(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    manager = make_manager(max_vram_usage=room_for(3))
    manager.load_model("a")
    launcher.memory = int(2.5 * MODEL_MEMORY)
    manager.load_model("b")
    assert keys(manager) == ["b"]


def test_a_model_that_is_answering_never_leaves(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    manager = make_manager(max_vram_usage=room_for(1.5))
    with manager.lease("a") as model:
        with pytest.raises(OutOfMemoryError) as caught:
            manager.lease("b", timeout=0.05)
        assert model.alive()
        message = caught.value.message
        assert "b needs about 0.03 GB" in message
        assert "models may take 0.06 GB" in message
        assert "a (0.04 GB, answering 1)" in message
        assert caught.value.retry_after is not None
    assert manager.load_model("b").key == "b"
    assert keys(manager) == ["b"]
    assert launcher.launched == ["a", "b"]


def test_a_load_waits_until_a_busy_model_is_idle(make_manager: MakeManager) -> None:
    manager = make_manager(max_vram_usage=room_for(1.5))
    lease = manager.lease("a")
    caller = Background(lambda: manager.load_model("b"))
    wait_until(lambda: bool(manager.loading()))
    assert not caller.done
    lease.release()
    assert caller.get().key == "b"
    assert keys(manager) == ["b"]


def test_a_model_larger_than_the_budget_is_refused_at_once_and_nobody_leaves(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    manager = make_manager(max_vram_usage=0.02)
    with pytest.raises(OutOfMemoryError, match="MAX_VRAM_USAGE") as caught:
        manager.load_model("a")
    assert caught.value.retry_after is None
    assert launcher.launched == []


def test_nobody_leaves_for_a_model_that_would_not_fit_anyway(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    manager = make_manager(max_vram_usage=room_for(2))
    manager.load_model("a")
    with manager.lease("b"):
        with pytest.raises(OutOfMemoryError):
            manager.lease("c", timeout=0.02, context_length=65536, parallel=64)
        assert keys(manager) == ["a", "b"]


def test_loads_reserve_what_they_will_take(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    manager = make_manager(max_vram_usage=room_for(1.5))
    launcher.gate.clear()
    first = Background(lambda: manager.load_model("a"))
    assert launcher.started.acquire(timeout=5)
    second = Background(lambda: manager.load_model("b"))
    wait_until(lambda: len(manager.loading()) == 2)
    assert launcher.launched == ["a"]
    launcher.gate.set()
    first.get()
    second.get()
    assert keys(manager) == ["b"]


def test_memory_of_a_leaving_model_counts_until_it_is_gone(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    manager = make_manager(max_vram_usage=room_for(1.5))
    manager.load_model("a")
    process = launcher.processes[0]
    process.may_stop.clear()
    caller = Background(lambda: manager.load_model("b"))
    assert process.stopping.wait(5)
    assert keys(manager) == []
    assert manager.get_memory_stats().models["a"] == MODEL_MEMORY
    assert launcher.launched == ["a"]
    process.may_stop.set()
    assert caller.get().key == "b"


def test_fewer_parallel_requests_where_memory_is_short(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    manager = make_manager(max_vram_usage=0.031, context_length=2048, parallel=4)
    manager.load_model("a")
    assert launcher.options[0].parallel < 4
    assert launcher.options[0].context_length == 2048


def test_free_memory_is_the_budget_when_none_is_set(manager: ModelManager) -> None:
    before = manager.get_memory_stats()
    assert before.used == 0
    assert before.free == before.budget > 0
    manager.load_model("a")
    after = manager.get_memory_stats()
    assert after.used == MODEL_MEMORY
    assert after.models == {"a": MODEL_MEMORY}


def test_a_ledger_that_cannot_be_written_keeps_nobody_from_loading(
    make_manager: MakeManager, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "run").write_text("in the way")
    manager = make_manager(max_vram_usage=room_for(3))
    assert manager.load_model("a").alive()
    assert "ledger not written" in caplog.text


# Unloading --------------------------------------------------------------------------------


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


# Crashes ----------------------------------------------------------------------------------


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


# Servers of others ------------------------------------------------------------------------


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


# The end ----------------------------------------------------------------------------------


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


def _refuses(manager: ModelManager) -> bool:
    with pytest.raises(UnavailableError) as caught:
        manager.lease("a", timeout=0.001)
    return not isinstance(caught.value, ModelLoadingError)


def test_many_threads_many_models_no_room_for_all(
    make_manager: MakeManager, launcher: FakeLauncher
) -> None:
    manager = make_manager(max_vram_usage=room_for(2.2))
    budget = manager.get_memory_stats().budget
    seen: list[int] = []

    def work(seed: int) -> None:
        for step in range(25):
            with manager.lease("abcd"[(seed * 7 + step * 3) % 4]) as model:
                assert model.alive()
                running = [process for process in launcher.processes if process.running]
                seen.append(sum(process.memory for process in running))

    workers = [Background(lambda seed=seed: work(seed)) for seed in range(8)]
    for worker in workers:
        worker.get(30)
    assert max(seen) <= budget
    assert all(model.in_flight == 0 for model in manager.loaded())
    assert sum(process.running for process in launcher.processes) == len(manager.loaded())
