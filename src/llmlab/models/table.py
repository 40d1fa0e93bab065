"""Who is in memory: the bookkeeping of the manager, under one lock held for microseconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from llmlab.errors import ConflictError, ModelLoadingError, UnavailableError
from llmlab.log import get_logger
from llmlab.models.residents import (
    Lease,
    LoadedModel,
    Overrides,
    Resident,
    ResidentKey,
    State,
    as_lab_error,
)

STOPPED_AT_ONCE = 8

_log = get_logger(__name__)


class ResidentTable:
    """Loading, ready and leaving models. Callers hold ``changed`` unless a method says otherwise.

    Args:
        default_strategy: Preferred when a request names none and several are loaded.
        clock: Seconds, monotonic.
        on_death: Called, under the lock, with a model whose process ended by itself.
        on_answer: Called, under the lock, with a model that ended its first request.

    Attributes:
        changed: The lock; notified when memory comes free or a load ends.
        closed: Whether nothing may come in any more.
    """

    def __init__(
        self,
        default_strategy: str,
        *,
        clock: Callable[[], float],
        on_death: Callable[[LoadedModel], None],
        on_answer: Callable[[LoadedModel], None],
    ) -> None:
        self.changed = threading.Condition()
        self.closed = False
        self._default_strategy = default_strategy
        self._clock = clock
        self._on_death = on_death
        self._on_answer = on_answer
        self._residents: dict[ResidentKey, Resident] = {}
        self._leaving: list[Resident] = []
        self._dead: list[Resident] = []

    # Looking ------------------------------------------------------------------------------

    def find(self, key: str, strategy: str | None, overrides: Overrides) -> Resident | None:
        """Return a resident that can serve a request, loading or ready."""
        preferred = (key, strategy or self._default_strategy, overrides)
        exact = self._residents.get(preferred)
        if exact is not None:
            return exact
        matching = (r for r in self._residents.values() if r.matches(key, strategy, overrides))
        return next(matching, None)

    def present(self) -> list[Resident]:
        """Return all that are loading or ready."""
        return list(self._residents.values())

    def ready(self) -> list[Resident]:
        """Return all that can answer; the dead are dropped first."""
        self.bury_dead()
        return [r for r in self._residents.values() if r.state is State.READY]

    def holders(self) -> list[Resident]:
        """Return all that hold memory: loading, ready, and on their way out."""
        return [*self._residents.values(), *self._leaving]

    def check_open(self) -> None:
        """Refuse work after the end.

        Raises:
            UnavailableError: The manager was closed.
        """
        if self.closed:
            raise UnavailableError("This worker is being stopped.")

    # Lending ------------------------------------------------------------------------------

    def lend(self, resident: Resident) -> Lease | None:
        """Return a lease of a ready resident; None when its process has ended."""
        model = resident.model
        assert model is not None
        if not model.alive():
            self.bury(resident)
            return None
        model.in_flight += 1
        model.last_used = time.time()
        resident.touched = self._clock()
        return Lease(resident, model, self.give_back)

    def give_back(self, resident: Resident, *, used: bool) -> None:
        """End a lease; takes the lock itself."""
        model = resident.model
        assert model is not None
        with self.changed:
            model.in_flight -= 1
            model.last_used = time.time()
            resident.touched = self._clock()
            if used:
                model.served += 1
                if model.served == 1 and resident.state is State.READY:
                    self._on_answer(model)
            unused = model.in_flight == 0
            if unused:
                self.changed.notify_all()
            forgotten = unused and resident.state is State.GONE
        if forgotten:
            model.engine.dispose()

    def await_load(self, resident: Resident, deadline: float) -> None:
        """Wait for somebody else's load.

        Raises:
            LabError: That load failed, with its error, or it goes on beyond the deadline.
        """
        left = max(0.0, deadline - self._clock())
        self.changed.wait_for(lambda: resident.state is not State.LOADING, left)
        if resident.error is not None:
            raise as_lab_error(resident.error, resident.record.key)
        if resident.state is State.LOADING:
            seconds = self._clock() - resident.started
            raise ModelLoadingError(
                f"{resident.record.key} is still being loaded, for {seconds:.0f} s so far."
            )

    # Coming -------------------------------------------------------------------------------

    def begin(self, resident: Resident) -> None:
        """Put a resident that begins to load on the table."""
        self._residents[resident.key] = resident

    def admit(self, resident: Resident, model: LoadedModel) -> Lease:
        """Make a loaded resident ready and lend it at once, so that nobody evicts it before.

        Raises:
            UnavailableError: The manager was closed meanwhile; the caller stops the process.
        """
        self.check_open()
        resident.model = model
        resident.state = State.READY
        model.in_flight = 1
        resident.touched = self._clock()
        self.changed.notify_all()
        return Lease(resident, model, self.give_back)

    def fail(self, resident: Resident, error: Exception) -> None:
        """Take a resident whose load failed off the table and tell everybody who waits."""
        resident.error = as_lab_error(error, resident.record.key)
        resident.state = State.GONE
        self._residents.pop(resident.key, None)
        self.changed.notify_all()

    # Going --------------------------------------------------------------------------------

    def retire(self, resident: Resident) -> None:
        """Take a resident off the table; its memory counts until :meth:`stop` is through."""
        if self._residents.get(resident.key) is resident:
            del self._residents[resident.key]
            self._leaving.append(resident)
        resident.state = State.GONE

    def check_unloadable(self, resident: Resident, *, force: bool) -> None:
        """Refuse to unload what is needed.

        Raises:
            ConflictError: The model is being loaded, or is answering and not forced.
        """
        if resident.state is State.LOADING:
            raise ConflictError(f"{resident.record.key} is being loaded; try again afterwards.")
        if resident.in_flight and not force:
            raise ConflictError(
                f"{resident.record.key} is answering {resident.in_flight} request(s); "
                "try again later, or force it."
            )

    def bury(self, resident: Resident) -> None:
        """Drop a resident whose process ended; :meth:`take_dead` gives it to who collects it."""
        if self._residents.get(resident.key) is not resident:
            return
        self.retire(resident)
        self._dead.append(resident)
        model = resident.model
        assert model is not None
        _log.warning(
            "model process ended", extra={"model": model.key, "in_flight": model.in_flight}
        )
        self._on_death(model)
        self.changed.notify_all()

    def bury_dead(self) -> None:
        """Drop every resident whose process ended."""
        for resident in list(self._residents.values()):
            if resident.model is not None and not resident.model.alive():
                self.bury(resident)

    def take_dead(self) -> list[Resident]:
        """Return the dropped ones whose processes nobody has collected yet."""
        dead, self._dead = self._dead, []
        return dead

    def stop(self, residents: Iterable[Resident]) -> None:
        """End the processes of retired residents, side by side; takes the lock itself."""
        leaving = [resident for resident in residents if resident.model is not None]
        if not leaving:
            return
        if len(leaving) == 1:
            self._stop_one(leaving[0])
            return
        with ThreadPoolExecutor(STOPPED_AT_ONCE, "llmlab-stop") as pool:
            list(pool.map(self._stop_one, leaving))

    def _stop_one(self, resident: Resident) -> None:
        model = resident.model
        assert model is not None
        try:
            if model.process is not None:
                model.process.stop()
        finally:
            with self.changed:
                self._leaving.remove(resident)
                unused = model.in_flight == 0
                self.changed.notify_all()
        if unused:
            # Else whoever still listens hears of the process's end, and the last one does this.
            model.engine.dispose()
        _log.info("model unloaded", extra={"model": model.key, "strategy": model.strategy})
