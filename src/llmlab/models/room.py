"""Makes room for a model: what is free, who has to leave, how long to wait."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from llmlab.log import get_logger
from llmlab.models.eviction import choose_victims, idle_by_age, shortage
from llmlab.models.hardware import Hardware
from llmlab.models.ledger import Ledger
from llmlab.models.residents import LoadedModel, MemoryStats, Resident, State
from llmlab.models.table import ResidentTable
from llmlab.settings import Settings

_log = get_logger(__name__)

# Other programs give memory back without telling us.
POLL = 0.5


class Room:
    """The memory that the models of this worker share with each other, and with other workers.

    Args:
        table: Who is in memory.
        hardware: What the machine has.
        settings: ``max_vram_usage``; with it set, the workers of one home share it.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        table: ResidentTable,
        hardware: Hardware,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._hardware = hardware
        self._settings = settings
        self._clock = clock
        # What is free needs no agreement: the machine says it. A set budget does.
        shared = settings.max_vram_usage is not None
        self._ledger = Ledger(settings.home_folder / "run" / "memory") if shared else None

    def reserve(self, resident: Resident, needed: int, deadline: float) -> None:
        """Unload idle models, or wait for busy ones, until ``needed`` bytes are free.

        Raises:
            OutOfMemoryError: The model can never fit, or no room came free in time.
            UnavailableError: The manager was closed.
        """
        started = self._clock()
        while True:
            with self._agreed():
                victims = self._claim(resident, needed, started, deadline)
            if resident.reserved:
                return
            if victims:
                self._table.stop(victims)
                continue
            with self._table.changed:
                left = deadline - self._clock()
                self._table.changed.wait(max(0.0, min(POLL, left)))

    def whole(self) -> int:
        """Return the bytes that one model could take if all others here left."""
        return max(0, self._budget() - self._shared())

    def measure(self, model: LoadedModel, estimate: int) -> None:
        """Take the memory of a model's process; not under the lock, it may take a moment.

        Args:
            model: The model, whose figures are set.
            estimate: Bytes to count where nothing can be measured.
        """
        if model.process is None:
            return
        if self._hardware.offloads():
            # AMD's tool tells no memory by process: the estimate stays.
            model.accelerator_bytes = self._hardware.accelerator_memory(model.process.pid)
            model.memory_bytes = model.accelerator_bytes or estimate
        else:
            model.memory_bytes = model.process.memory_bytes() or estimate

    def trim(self) -> None:
        """Unload idle models, least recently used first, while more is taken than may be."""
        stats = self.stats()
        excess = stats.used + stats.shared - stats.budget
        victims = []
        with self._table.changed:
            for resident in idle_by_age(self._table.present()):
                if excess <= 0:
                    break
                excess -= resident.memory
                self._table.retire(resident)
                victims.append(resident)
        self._table.stop(victims)

    def stats(self) -> MemoryStats:
        """Return what is taken and what may be; asks the machine."""
        with self._table.changed:
            residents = self._table.holders()
        models: dict[str, int] = {}
        for resident in residents:
            models[resident.record.key] = models.get(resident.record.key, 0) + resident.memory
        return MemoryStats(sum(models.values()), self._budget(), self._shared(), models)

    def note(self) -> None:
        """Tell the other workers what this one holds."""
        if self._ledger is not None:
            with self._table.changed:
                held = sum(resident.memory for resident in self._table.holders())
            try:
                self._ledger.write(held)
            except OSError as error:
                # A full disk must not keep models from answering.
                _log.warning("memory ledger not written", extra={"reason": str(error)})

    def _claim(
        self, resident: Resident, needed: int, started: float, deadline: float
    ) -> list[Resident]:
        """Reserve the bytes, or retire idle models and return them; neither: wait."""
        budget, shared = self._budget(), self._shared()
        with self._table.changed:
            self._table.check_open()
            self._table.bury_dead()
            holders = self._table.holders()
            missing = sum(holder.memory for holder in holders) + shared + needed - budget
            if missing <= 0:
                resident.reserved = needed
                victims = []
            else:
                victims = choose_victims(self._table.present(), missing) or []
                for victim in victims:
                    self._table.retire(victim)
        if resident.reserved:
            self.note()
        elif not victims:
            waited = self._clock() - started
            late = self._clock() >= deadline
            hopeless = needed + shared > budget or not any(map(_may_leave, holders))
            if late or hopeless:
                raise shortage(
                    resident.record.key, needed, budget, holders, shared=shared, waited=waited
                )
        return victims

    def _budget(self) -> int:
        with self._table.changed:
            holders = self._table.holders()
        measured = sum(holder.memory for holder in holders if holder.model is not None)
        return self._hardware.memory_budget(self._settings, measured)

    def _shared(self) -> int:
        return self._ledger.others() if self._ledger is not None else 0

    def _agreed(self) -> contextlib.AbstractContextManager[None]:
        return self._ledger.locked() if self._ledger is not None else contextlib.nullcontext()


def _may_leave(resident: Resident) -> bool:
    """Whether waiting for it makes sense: it holds memory and is busy or on its way out."""
    busy = resident.in_flight > 0 or resident.state is not State.READY
    return resident.memory > 0 and busy
