"""``GET /health``: system and devices; public."""

from __future__ import annotations

from fastapi import APIRouter

from llmlab.protocol.lab import HealthReport
from llmlab.worker.service import Worker


def router(worker: Worker) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["worker"])

    @routes.get("/health")
    async def health() -> HealthReport:
        """Tell how the worker does, at once, whatever it is busy with."""
        return worker.health()

    return routes
