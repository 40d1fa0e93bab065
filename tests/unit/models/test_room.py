"""Room for a model: who leaves, what counts, and what is refused."""

from __future__ import annotations

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

from llmlab.errors import OutOfMemoryError
from llmlab.models.manager import ModelManager


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
