"""Counts of what the coordinator answered; plain numbers, so that counting costs nothing."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

# Upper bounds of the classes of duration, in seconds; the last class has none.
BOUNDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(slots=True)
class RouteCounts:
    """What one route did: requests by status, and their durations by class."""

    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    classes: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))


class RequestMetrics:
    """Requests to the model routes, by route.

    Attributes:
        routes: The counts by path.
        in_flight: Requests that are being answered now.
    """

    def __init__(self) -> None:
        self.routes: dict[str, RouteCounts] = {}
        self.in_flight = 0

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count a finished request; status 499 is a client that left."""
        counts = self.routes.get(path)
        if counts is None:
            counts = self.routes[path] = RouteCounts()
        counts.statuses[status] = counts.statuses.get(status, 0) + 1
        counts.seconds += seconds
        counts.classes[bisect_left(BOUNDS, seconds)] += 1
