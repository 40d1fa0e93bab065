"""``GET /metrics``: Prometheus text, or JSON when the client accepts that."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from llmlab.types import JsonObject
from llmlab.worker.responses import json_response
from llmlab.worker.service import Worker

PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def router(worker: Worker) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["worker"])

    @routes.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Count requests, tokens, loads, cached answers, memory and tools."""
        counted = worker.executor.metrics
        if "json" in request.headers.get("accept", ""):
            return json_response(counted.to_dict() | _gauges(worker), {})
        text = counted.to_prometheus() + _as_prometheus(_gauges(worker))
        return Response(text, media_type=PROMETHEUS_TYPE)

    return routes


def _gauges(worker: Worker) -> JsonObject:
    load, cache = worker.vitals.load(), worker.cache.get_stats()
    tools = worker.tools.stats().values()
    return {
        "llmlab_worker_in_flight": load.in_flight,
        "llmlab_worker_memory_used_bytes": load.memory_used,
        "llmlab_worker_memory_budget_bytes": load.memory_budget,
        "llmlab_worker_models_loaded": len(worker.manager.loaded()),
        "llmlab_cache_entries": cache.entries,
        "llmlab_cache_bytes": cache.bytes,
        "llmlab_cache_hits_total": cache.hits,
        "llmlab_cache_misses_total": cache.misses,
        "llmlab_cache_coalesced_total": cache.coalesced,
        "llmlab_cache_evictions_total": cache.evictions,
        "llmlab_tool_calls_total": sum(stats.calls for stats in tools),
        "llmlab_tool_errors_total": sum(stats.errors for stats in tools),
    }


def _as_prometheus(gauges: JsonObject) -> str:
    lines: list[str] = []
    for name, value in gauges.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# TYPE {name} {kind}", f"{name} {value}"]
    return "\n".join(lines) + "\n"
