"""A model in memory: what the manager knows of it, and the lease that keeps it there."""

from __future__ import annotations

import copy
import dataclasses
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from llmlab.engines.base import Engine
from llmlab.engines.llama_cpp import LaunchOptions
from llmlab.errors import EngineError, LabError
from llmlab.models.records import ModelRecord
from llmlab.protocol.lab import LoadedModelEntry


class ChildProcess(Protocol):
    """What the manager needs of an engine's child process."""

    @property
    def pid(self) -> int:
        """Process id."""

    def alive(self) -> bool:
        """Whether it runs; takes microseconds."""

    def memory_bytes(self) -> int:
        """Bytes of main memory that it takes."""

    def stop(self) -> None:
        """End it and wait until it is gone; harmless when it is gone already."""


class LoadedModel:
    """A model that can answer now.

    Attributes:
        record: What the catalog says of it.
        strategy: How it was loaded.
        options: The same in detail; None for a model at somebody else's server.
        engine: Where to send requests.
        process: Its child process; None for a model at somebody else's server.
        load_time_sec: Seconds that loading took.
        loaded_at: When it was loaded, in Unix seconds.
        memory_bytes: Measured memory; 0 where it is somebody else's.
        accelerator_bytes: The part of it that is on an accelerator.
        in_flight: Requests that it answers now.
        last_used: When its last request began or ended, in Unix seconds.
        served: Requests that ended since it was loaded.
    """

    __slots__ = (
        "accelerator_bytes",
        "engine",
        "in_flight",
        "last_used",
        "load_time_sec",
        "loaded_at",
        "memory_bytes",
        "options",
        "process",
        "record",
        "served",
        "strategy",
    )

    def __init__(
        self,
        record: ModelRecord,
        strategy: str,
        engine: Engine,
        *,
        options: LaunchOptions | None = None,
        process: ChildProcess | None = None,
    ) -> None:
        self.record = record
        self.strategy = strategy
        self.engine = engine
        self.options = options
        self.process = process
        self.load_time_sec = 0.0
        self.loaded_at = self.last_used = time.time()
        self.memory_bytes = 0
        self.accelerator_bytes = 0
        self.in_flight = 0
        self.served = 0

    @property
    def key(self) -> str:
        """The model's name."""
        return self.record.key

    def alive(self) -> bool:
        """Whether its process runs; somebody else's server counts as alive."""
        return self.process is None or self.process.alive()

    def entry(self, node: str | None = None) -> LoadedModelEntry:
        """Return it as ``GET /cache`` shows it."""
        return LoadedModelEntry(
            model=self.key,
            strategy=self.strategy,
            engine=self.record.engine,
            memory_bytes=self.memory_bytes,
            in_flight=self.in_flight,
            loaded_at=self.loaded_at,
            last_used=self.last_used,
            load_time_sec=self.load_time_sec,
            node=node,
        )


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """Memory of the loaded models; bytes.

    Attributes:
        used: Measured, and reserved for models that are being loaded.
        budget: What all models together may take.
        shared: What other workers of this lab take of the budget.
        models: Measured memory by model.
    """

    used: int
    budget: int
    shared: int
    models: dict[str, int]

    @property
    def free(self) -> int:
        """What one more model could take without another one leaving."""
        return max(0, self.budget - self.used - self.shared)


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """A load that is under way; ``fraction`` from 0 to 1, None while it is unknown."""

    model: str
    strategy: str
    seconds: float
    fraction: float | None


class State(Enum):
    """Where a resident is in its life."""

    LOADING = auto()
    READY = auto()
    GONE = auto()


Overrides = tuple[tuple[str, Any], ...]
ResidentKey = tuple[str, str, Overrides]


@dataclass(slots=True, eq=False)
class Resident:
    """The manager's record of one loaded or loading model; changed under its lock only.

    ``started`` (of the load) and ``touched`` (last use) are on the manager's clock.
    """

    record: ModelRecord
    strategy: str
    overrides: Overrides
    started: float
    state: State = State.LOADING
    model: LoadedModel | None = None
    error: LabError | None = None
    reserved: int = 0
    fraction: float | None = None
    touched: float = 0.0

    @property
    def key(self) -> ResidentKey:
        """What tells it from others."""
        return (self.record.key, self.strategy, self.overrides)

    @property
    def in_flight(self) -> int:
        """Requests that it answers now."""
        return self.model.in_flight if self.model is not None else 0

    @property
    def memory(self) -> int:
        """Bytes that count against the budget."""
        return self.model.memory_bytes if self.model is not None else self.reserved

    def matches(self, key: str, strategy: str | None, overrides: Overrides) -> bool:
        """Whether a request for this model can use it; None and () accept any."""
        return (
            self.record.key == key
            and strategy in (None, self.strategy)
            and overrides in ((), self.overrides)
        )

    def progress(self, now: float) -> LoadProgress:
        """Return how far its load is."""
        return LoadProgress(self.record.key, self.strategy, now - self.started, self.fraction)


class GiveBack(Protocol):
    """What ends a lease."""

    def __call__(self, resident: Resident, *, used: bool) -> None:
        """``used`` tells whether the model answered a request."""


class Lease:
    """Keeps a model in memory while it is used; leaving it twice is harmless.

    Attributes:
        model: The model.
    """

    __slots__ = ("_give_back", "_resident", "model")

    def __init__(self, resident: Resident, model: LoadedModel, give_back: GiveBack) -> None:
        self.model = model
        self._resident: Resident | None = resident
        self._give_back = give_back

    def __enter__(self) -> LoadedModel:
        return self.model

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self, *, used: bool = True) -> None:
        """Let the model go; ``used`` tells whether it answered a request."""
        resident, self._resident = self._resident, None
        if resident is not None:
            self._give_back(resident, used=used)


def as_lab_error(error: BaseException, key: str) -> LabError:
    """Return an error of a load as the lab's, for everybody who waits for that load."""
    if isinstance(error, LabError):
        # A copy, since each of several threads raises it and Python writes the trace into it.
        return copy.copy(error)
    return EngineError(f"The model {key} could not be loaded: {error or type(error).__name__}.")


def learned(record: ModelRecord, *, context_length: int, size_bytes: int) -> ModelRecord:
    """Return the record with what its file's header told."""
    return dataclasses.replace(record, context_length=context_length, size_bytes=size_bytes)
