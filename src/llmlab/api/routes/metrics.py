"""``GET /metrics``: Prometheus text, or JSON when the client accepts that."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from llmlab.cluster.ledger import BOUNDS, Ledger, RouteCounts
from llmlab.coordinator import Coordinator

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def router(coordinator: Coordinator) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["lab"])

    @routes.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Count requests, durations, tokens, cached answers and nodes."""
        gauges = _gauges(coordinator)
        if "json" in request.headers.get("accept", ""):
            return JSONResponse({**gauges, "routes": _as_json(coordinator.ledger)})
        lines = [*_plain(gauges), *_by_route(coordinator.ledger)]
        return Response("\n".join(lines) + "\n", media_type=_PROMETHEUS)

    return routes


def _gauges(coordinator: Coordinator) -> dict[str, float]:
    cache = coordinator.cache
    gauges: dict[str, float] = {
        "llmlab_uptime_seconds": round(coordinator.uptime, 3),
        "llmlab_requests_in_flight": coordinator.ledger.in_flight,
        "llmlab_nodes_alive": len(coordinator.nodes.alive()),
        "llmlab_workers_alive": len(coordinator.nodes.workers()),
        "llmlab_worker_restarts_total": coordinator.pool.restarts,
        "llmlab_accounting_dropped_total": coordinator.accounting.dropped,
    }
    if cache is not None:
        stats = cache.get_stats()
        gauges |= {
            "llmlab_cache_entries": stats.entries,
            "llmlab_cache_bytes": stats.bytes,
            "llmlab_cache_hits_total": stats.hits,
            "llmlab_cache_misses_total": stats.misses,
            "llmlab_cache_coalesced_total": stats.coalesced,
            "llmlab_cache_evictions_total": stats.evictions,
        }
    return gauges


def _as_json(ledger: Ledger) -> dict[str, Any]:
    return {
        kind: {
            "requests": {str(status): count for status, count in counts.statuses.items()},
            "seconds": round(counts.seconds, 6),
            "cache_hits": counts.cache_hits,
            "prompt_tokens": counts.prompt_tokens,
            "completion_tokens": counts.completion_tokens,
        }
        for kind, counts in ledger.routes.items()
    }


def _plain(gauges: dict[str, float]) -> Iterator[str]:
    for name, value in gauges.items():
        yield f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"
        yield f"{name} {value}"


def _by_route(ledger: Ledger) -> Iterator[str]:
    routes = ledger.routes.items()
    yield "# TYPE llmlab_requests_total counter"
    for kind, counts in routes:
        for status, count in sorted(counts.statuses.items()):
            yield f'llmlab_requests_total{{route="{kind}",status="{status}"}} {count}'
    yield "# TYPE llmlab_request_seconds histogram"
    for kind, counts in routes:
        yield from _histogram(kind, counts)
    for name in ("prompt_tokens", "completion_tokens"):
        yield f"# TYPE llmlab_{name}_total counter"
        for kind, counts in routes:
            yield f'llmlab_{name}_total{{route="{kind}"}} {getattr(counts, name)}'


def _histogram(kind: str, counts: RouteCounts) -> Iterator[str]:
    for bound, count in zip((*BOUNDS, "+Inf"), accumulate(counts.classes), strict=True):
        yield f'llmlab_request_seconds_bucket{{route="{kind}",le="{bound}"}} {count}'
    yield f'llmlab_request_seconds_sum{{route="{kind}"}} {round(counts.seconds, 6)}'
    yield f'llmlab_request_seconds_count{{route="{kind}"}} {sum(counts.classes)}'
