"""Which models are in memory: loads each once, keeps them while they fit, lets idle ones go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from llmlab.engines.gguf import GgufInfo
from llmlab.engines.llama_cpp import LaunchOptions
from llmlab.errors import EngineCrashedError, LabError
from llmlab.log import get_logger
from llmlab.models.catalog import ModelCatalog
from llmlab.models.crashes import CrashGuard
from llmlab.models.fit import estimate_bytes, fit_options
from llmlab.models.hardware import Hardware
from llmlab.models.launching import Launcher, dial, inspect_model, launch_llama_cpp
from llmlab.models.reaper import Reaper
from llmlab.models.residents import (
    Lease,
    LoadedModel,
    LoadProgress,
    MemoryStats,
    Overrides,
    Resident,
    State,
    as_lab_error,
    learned,
)
from llmlab.models.room import Room
from llmlab.models.strategies import check_strategy, launch_options
from llmlab.models.table import ResidentTable
from llmlab.settings import Settings

REAPER_INTERVAL = 1.0
MEASURE_INTERVAL = 5.0
CLOSE_DEADLINE = 10.0

_log = get_logger(__name__)


class ModelManager:
    """Loads models, lends them, unloads them; thread-safe.

    Methods block while they load, stop or measure. ``try_lease`` and ``report_crash`` take
    microseconds and may be called on an event loop.

    Args:
        catalog: The models that exist.
        settings: Budget, deadlines, TTL and how models are loaded.
        launcher: Starts the child process of a model; llama.cpp's without it.
        hardware: The machine's devices and memory.
        clock: Seconds, monotonic; for deadlines, ages and the TTL.
        interval: Seconds between looks after dead, old and growing models.

    Attributes:
        catalog: The models that exist.
        hardware: The machine's devices and memory.
    """

    def __init__(
        self,
        catalog: ModelCatalog,
        settings: Settings,
        *,
        launcher: Launcher | None = None,
        hardware: Hardware | None = None,
        clock: Callable[[], float] = time.monotonic,
        interval: float = REAPER_INTERVAL,
    ) -> None:
        self.catalog = catalog
        self.hardware = hardware or Hardware()
        self._settings = settings
        self._launcher = launcher or partial(
            launch_llama_cpp, request_timeout=settings.request_timeout
        )
        self._clock = clock
        self._guard = CrashGuard(clock)
        self._table = ResidentTable(
            settings.default_strategy,
            clock=clock,
            on_death=self._died,
            on_answer=lambda model: self._guard.served(model.key),
        )
        self._room = Room(self._table, self.hardware, settings, clock=clock)
        self._reaper = Reaper(self._look_after, interval, "llmlab-models")
        self._measured_at = clock()

    def load_model(self, model_key: str, strategy: str | None = None, **kwargs: Any) -> LoadedModel:
        """Bring a model into memory, or return it when it is there.

        Args:
            model_key: Name of a model in the catalog.
            strategy: How to load it; any that is loaded will do without it, else the setting's.
            **kwargs: Fields of ``LaunchOptions`` that replace the strategy's.

        Raises:
            ModelNotFoundError: There is no such model.
            InvalidModelFileError: Its file is damaged.
            OutOfMemoryError: It does not fit, or no room came free in time.
            EngineCrashedError: Its process ended while loading.
            DeadlineError: Loading took longer than the settings allow.
        """
        lease = self.lease(model_key, strategy, **kwargs)
        lease.release(used=False)
        return lease.model

    def lease(
        self,
        model_key: str,
        strategy: str | None = None,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Lease:
        """Load a model if it has to be, and keep it in memory while the lease is held.

        Args:
            model_key: Name of a model in the catalog.
            strategy: How to load it; any that is loaded will do without it, else the setting's.
            timeout: Seconds to wait at most; the setting's without it.
            **kwargs: Fields of ``LaunchOptions`` that replace the strategy's.

        Raises:
            LabError: As for :meth:`load_model`.
        """
        if strategy is not None:
            check_strategy(strategy)
        record = self.catalog.get(model_key)
        overrides = tuple(sorted(kwargs.items()))
        deadline = self._clock() + (timeout or self._settings.load_timeout)
        with self._table.changed:
            lease = self._join(record.key, strategy, overrides, deadline)
            if lease is not None:
                return lease
            self._guard.check(record.key)
            chosen = strategy or self._settings.default_strategy
            resident = Resident(record, chosen, overrides, self._clock())
            self._table.begin(resident)
        return self._load(resident, deadline)

    def try_lease(self, model_key: str, strategy: str | None = None, **kwargs: Any) -> Lease | None:
        """Lend a model that is in memory; None when it is not. Never waits."""
        table = self._table
        overrides = tuple(sorted(kwargs.items())) if kwargs else ()
        with table.changed:
            resident = table.find(model_key, strategy, overrides)
            if resident is None or resident.state is not State.READY:
                return None
            return table.lend(resident)

    def get_model(self, model_key: str) -> LoadedModel | None:
        """Return a model that is in memory; None when it is not."""
        return next((model for model in self.loaded() if model.key == model_key), None)

    def loaded(self) -> list[LoadedModel]:
        """Return the models in memory."""
        with self._table.changed:
            return [r.model for r in self._table.ready() if r.model is not None]

    def loading(self) -> list[LoadProgress]:
        """Return the loads that are under way."""
        now = self._clock()
        with self._table.changed:
            present = self._table.present()
        return [r.progress(now) for r in present if r.state is State.LOADING]

    def report_crash(self, model: LoadedModel, *, answered: bool = False) -> None:
        """Drop a model whose process was found dead by somebody who talks to it.

        Args:
            model: The model.
            answered: Whether it had begun to answer; then it is no model that only crashes.
        """
        with self._table.changed:
            for resident in self._table.present():
                if resident.model is model and model.process is not None:
                    self._table.bury(resident)
            if answered:
                self._guard.served(model.key)

    def unload_model(self, model_key: str, *, force: bool = False) -> bool:
        """Take a model out of memory, however it was loaded.

        Args:
            model_key: Its name.
            force: Also when it is answering; those answers end with an error.

        Returns:
            Whether it was in memory.

        Raises:
            ConflictError: It is answering or still being loaded.
        """
        with self._table.changed:
            self._table.bury_dead()
            mine = [r for r in self._table.present() if r.record.key == model_key]
            for resident in mine:
                self._table.check_unloadable(resident, force=force)
            for resident in mine:
                self._table.retire(resident)
        self._stop(mine)
        return bool(mine)

    def cleanup_all(self) -> list[str]:
        """Unload every model that is not answering; return their names."""
        with self._table.changed:
            idle = [r for r in self._table.ready() if r.in_flight == 0]
            for resident in idle:
                self._table.retire(resident)
        self._stop(idle)
        return sorted({resident.record.key for resident in idle})

    def get_memory_stats(self) -> MemoryStats:
        """Return what the models take and may take; asks the machine."""
        return self._room.stats()

    def close(self, *, timeout: float = CLOSE_DEADLINE) -> None:
        """Unload everything, answering or not, and take no more work; no child is left.

        Args:
            timeout: Seconds to wait for loads that are under way.
        """
        table = self._table
        with table.changed:
            table.closed = True
            ready = table.ready()
            for resident in ready:
                table.retire(resident)
            table.changed.notify_all()
            dead = table.take_dead()
        self._stop([*ready, *dead])
        with table.changed:
            table.changed.wait_for(lambda: not table.holders(), timeout)
        self._reaper.stop(timeout)

    # Loading ------------------------------------------------------------------------------

    def _join(
        self, key: str, strategy: str | None, overrides: Overrides, deadline: float
    ) -> Lease | None:
        """Use a resident that is ready, or wait for one that is loading; None: there is none."""
        while True:
            self._table.check_open()
            resident = self._table.find(key, strategy, overrides)
            if resident is None:
                return None
            if resident.state is State.LOADING:
                self._table.await_load(resident, deadline)
            elif (lease := self._table.lend(resident)) is not None:
                return lease

    def _load(self, resident: Resident, deadline: float) -> Lease:
        try:
            lease = self._admit(resident, self._bring_up(resident, deadline))
        except BaseException as error:
            failure = self._failed(resident, error)
            if isinstance(error, LabError) or not isinstance(error, Exception):
                raise
            raise failure from error
        try:
            self._settle(lease.model)
        except BaseException:
            lease.release(used=False)
            raise
        return lease

    def _failed(self, resident: Resident, error: BaseException) -> LabError:
        failure = as_lab_error(error, resident.record.key)
        with self._table.changed:
            if isinstance(error, EngineCrashedError):
                self._guard.crashed(resident.record.key, error.message)
            self._table.fail(resident, failure)
        self._room.note()
        _log.warning(
            "model not loaded", extra={"model": resident.record.key, "reason": failure.message}
        )
        return failure

    def _bring_up(self, resident: Resident, deadline: float) -> LoadedModel:
        record = resident.record
        if record.path is None:
            return LoadedModel(
                record, resident.strategy, dial(record, self._settings.request_timeout)
            )
        info = inspect_model(record)
        options = self._options(resident, info)
        self._room.reserve(resident, estimate_bytes(info, options), deadline)

        def on_progress(fraction: float) -> None:
            resident.fraction = fraction
            self._table.check_open()

        process, engine = self._launcher(
            record.path,
            options,
            name=record.key,
            timeout=max(0.1, deadline - self._clock()),
            on_progress=on_progress,
        )
        known = learned(record, context_length=info.context_length, size_bytes=info.file_size)
        return LoadedModel(known, resident.strategy, engine, options=options, process=process)

    def _options(self, resident: Resident, info: GgufInfo) -> LaunchOptions:
        overrides = dict(resident.overrides)
        options = launch_options(resident.strategy, info, self._settings, overrides)
        if {"context_length", "parallel"} & overrides.keys():
            # Who asks for a size gets it or an error.
            return options
        return fit_options(info, options, self._room.whole())

    def _admit(self, resident: Resident, model: LoadedModel) -> Lease:
        model.load_time_sec = self._clock() - resident.started
        try:
            self._room.measure(model, resident.reserved)
            with self._table.changed:
                return self._table.admit(resident, model)
        except BaseException:
            if model.process is not None:
                model.process.stop()
            raise

    def _settle(self, model: LoadedModel) -> None:
        self.catalog.learn(model.record)
        self._room.trim()
        self._room.note()
        self._reaper.wake()
        _log.info(
            "model loaded",
            extra={
                "model": model.key,
                "strategy": model.strategy,
                "seconds": round(model.load_time_sec, 3),
                "memory_bytes": model.memory_bytes,
            },
        )

    # Looking after ------------------------------------------------------------------------

    def _look_after(self) -> bool:
        """Collect the dead, unload the old, measure the rest; whether anything is left."""
        table, ttl = self._table, self._settings.model_ttl
        with table.changed:
            ready = table.ready()
            oldest = self._clock() - ttl
            old = [r for r in ready if ttl and r.in_flight == 0 and r.touched <= oldest]
            for resident in old:
                table.retire(resident)
            dead = table.take_dead()
        self._stop([*old, *dead])
        if self._clock() - self._measured_at >= MEASURE_INTERVAL:
            self._measured_at = self._clock()
            for model in self.loaded():
                self._room.measure(model, model.memory_bytes)
            self._room.trim()
            self._room.note()
        with table.changed:
            return bool(table.holders())

    def _stop(self, residents: Iterable[Resident]) -> None:
        self._table.stop(residents)
        self._room.note()

    def _died(self, model: LoadedModel) -> None:
        if model.served == 0:
            self._guard.crashed(model.key, "its process ended before it answered anything.")
        # Collecting a dead process may take a moment, and who noticed may be an event loop.
        self._reaper.wake()
