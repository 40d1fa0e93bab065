"""Loading: once for all who ask, with options, and what becomes of a load that fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.models.fakes import (
    MODEL_MEMORY,
    Background,
    FakeLauncher,
    MakeManager,
    keys,
    room_for,
    wait_until,
)

from llmlab.engines.llama_cpp import LaunchOptions
from llmlab.errors import (
    EngineCrashedError,
    EngineError,
    InvalidModelFileError,
    InvalidRequestError,
    ModelLoadingError,
    ModelNotFoundError,
)
from llmlab.models.catalog import ModelCatalog
from llmlab.models.manager import ModelManager


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


def test_a_ledger_that_cannot_be_written_keeps_nobody_from_loading(
    make_manager: MakeManager, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "run").write_text("in the way")
    manager = make_manager(max_vram_usage=room_for(3))
    assert manager.load_model("a").alive()
    assert "ledger not written" in caplog.text
