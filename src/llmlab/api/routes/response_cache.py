"""``/api/cache``: the response cache."""

from __future__ import annotations

from fastapi import APIRouter

from llmlab.coordinator import Coordinator
from llmlab.protocol.lab import CacheStats


def router(coordinator: Coordinator) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["response cache"])
    cache = coordinator.cache

    @routes.get("/cache/stats")
    async def stats() -> CacheStats:
        """Tell what the response cache keeps and how often it answered."""
        return cache.get_stats() if cache else _nothing()

    @routes.post("/cache/clear")
    async def clear() -> dict[str, int]:
        """Forget every cached answer; tell how many there were."""
        return {"cleared": cache.clear() if cache else 0}

    return routes


def _nothing() -> CacheStats:
    return CacheStats(
        entries=0,
        bytes=0,
        max_bytes=0,
        hits=0,
        misses=0,
        coalesced=0,
        evictions=0,
        expired=0,
        hit_rate=0.0,
    )
