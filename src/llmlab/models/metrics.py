"""What the models did, in numbers: for Prometheus as text, for people and files as JSON."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping

from llmlab.types import JsonObject, Usage

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

Labels = tuple[str, ...]


class Counter:
    """Sums by label values."""

    kind = "counter"

    def __init__(self, name: str, description: str, labels: Labels) -> None:
        self.name = name
        self.description = description
        self.labels = labels
        self._values: dict[Labels, float] = {}

    def add(self, *values: str, amount: float = 1.0) -> None:
        """Add to the sum of these label values."""
        self._values[values] = self._values.get(values, 0.0) + amount

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """Yield name, labels and value of each sum."""
        for values, total in list(self._values.items()):
            yield self.name, dict(zip(self.labels, values, strict=True)), total


class Histogram:
    """Distributions of seconds by label values."""

    kind = "histogram"

    def __init__(self, name: str, description: str, labels: Labels) -> None:
        self.name = name
        self.description = description
        self.labels = labels
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, *values: str, seconds: float) -> None:
        """Count a duration."""
        counts = self._counts.get(values)
        if counts is None:
            counts = self._counts[values] = [0] * (len(SECONDS) + 1)
            self._sums[values] = 0.0
        counts[bisect_left(SECONDS, seconds)] += 1
        self._sums[values] += seconds

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """Yield cumulative buckets, sum and count, as Prometheus wants them."""
        for values, counts in list(self._counts.items()):
            labels = dict(zip(self.labels, values, strict=True))
            total = 0
            for bound, count in zip((*map(str, SECONDS), "+Inf"), counts, strict=True):
                total += count
                yield f"{self.name}_bucket", labels | {"le": bound}, total
            yield f"{self.name}_sum", labels, self._sums[values]
            yield f"{self.name}_count", labels, total


class ModelMetrics:
    """Counters of one worker's models; thread-safe.

    Attributes:
        version: Grows with every change.
    """

    def __init__(self) -> None:
        self.version = 0
        self._lock = threading.Lock()
        self._requests = Counter(
            "llmlab_model_requests_total", "Requests by outcome", ("model", "outcome")
        )
        self._tokens = Counter("llmlab_model_tokens_total", "Tokens", ("model", "kind"))
        self._loads = Counter("llmlab_model_loads_total", "Requests that had to load", ("model",))
        self._seconds = Histogram("llmlab_model_request_seconds", "Whole requests", ("model",))
        self._first = Histogram("llmlab_model_first_token_seconds", "First tokens", ("model",))
        self._load_seconds = Histogram("llmlab_model_load_seconds", "Waits for loads", ("model",))
        self._families = (
            self._requests,
            self._tokens,
            self._loads,
            self._seconds,
            self._first,
            self._load_seconds,
        )

    def request(
        self,
        model: str,
        outcome: str,
        *,
        seconds: float,
        first_token: float | None = None,
        load_seconds: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        """Count one request.

        Args:
            model: Name of the model.
            outcome: ``ok``, ``cancelled``, or the code of the error.
            seconds: Its whole duration.
            first_token: Seconds to the first token, if there was one.
            load_seconds: Seconds of waiting for the model, if it had to be loaded.
            usage: Its tokens.
        """
        with self._lock:
            self.version += 1
            self._requests.add(model, outcome)
            self._seconds.observe(model, seconds=seconds)
            if first_token is not None:
                self._first.observe(model, seconds=first_token)
            if load_seconds is not None:
                self._loads.add(model)
                self._load_seconds.observe(model, seconds=load_seconds)
            if usage is not None:
                self._tokens.add(model, "prompt", amount=usage.prompt_tokens)
                self._tokens.add(model, "completion", amount=usage.completion_tokens)

    def to_prometheus(self) -> str:
        """Return everything in Prometheus's text format (version 0.0.4)."""
        lines = []
        with self._lock:
            for family in self._families:
                lines += [
                    f"# HELP {family.name} {family.description}.",
                    f"# TYPE {family.name} {family.kind}",
                ]
                lines += [
                    f"{name}{{{_written(labels)}}} {value:.15g}"
                    for name, labels, value in family.samples()
                ]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> JsonObject:
        """Return sums and counts (without buckets) by name, each with its labels."""
        families: JsonObject = {}
        with self._lock:
            for family in self._families:
                families[family.name] = [
                    {"name": name, "labels": dict(labels), "value": value}
                    for name, labels, value in family.samples()
                    if "le" not in labels
                ]
        return families


def _written(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
