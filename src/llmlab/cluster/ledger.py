"""What becomes of every call to a model: counted at once, written down later."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmlab.errors import LabError
from llmlab.types import Usage

if TYPE_CHECKING:
    from llmlab.store.accounting import Accounting

# Upper bounds of the classes of duration, in seconds; the last class has none.
BOUNDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CLIENT_LEFT = 499


@dataclass(slots=True)
class RouteCounts:
    """What one route did: requests by status, their durations by class, tokens."""

    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    classes: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    cache_hits: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(slots=True)
class Entry:
    """One call; ``status`` is HTTP's, 499 for a client that left before the end."""

    kind: str
    status: int
    seconds: float
    tenant: str
    run_id: str | None = None
    model: str | None = None
    node: str | None = None
    cache_hit: bool = False
    usage: Usage | None = None
    error: LabError | None = None


class Ledger:
    """Counts calls, and hands them to accounting where they have a run id.

    Args:
        accounting: Writes them down; returns at once.

    Attributes:
        routes: The counts by kind of call.
        in_flight: Calls that are being answered now.
    """

    def __init__(self, accounting: Accounting | None = None) -> None:
        self.routes: dict[str, RouteCounts] = {}
        self.in_flight = 0
        self._record: Callable[..., Any] | None = accounting.record if accounting else None

    def enter(self, entry: Entry) -> None:
        """Count a finished call."""
        counts = self.routes.get(entry.kind)
        if counts is None:
            counts = self.routes[entry.kind] = RouteCounts()
        counts.statuses[entry.status] = counts.statuses.get(entry.status, 0) + 1
        counts.seconds += entry.seconds
        counts.classes[bisect_left(BOUNDS, entry.seconds)] += 1
        counts.cache_hits += entry.cache_hit
        if entry.usage is not None and not entry.cache_hit:
            counts.prompt_tokens += entry.usage.prompt_tokens
            counts.completion_tokens += entry.usage.completion_tokens
        if self._record is not None and entry.run_id is not None:
            self._record(
                entry.run_id,
                entry.kind,
                tenant=entry.tenant,
                model=entry.model,
                seconds=entry.seconds,
                node=entry.node,
                cache_hit=entry.cache_hit,
                usage=entry.usage,
                error=entry.error,
            )
