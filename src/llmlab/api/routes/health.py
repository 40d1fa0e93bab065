"""``GET /health``: public, so it names no paths and no secrets."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from llmlab import __version__
from llmlab.coordinator import Coordinator
from llmlab.protocol.lab import HealthReport
from llmlab.protocol.mesh import Load


def router(coordinator: Coordinator) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["lab"])

    @routes.get("/health")
    async def health() -> HealthReport:
        """Tell how the lab does."""
        return HealthReport(
            status=_status(coordinator),
            role="coordinator",
            version=__version__,
            instance_id=coordinator.instance_id,
            uptime_seconds=round(coordinator.uptime, 3),
            devices=coordinator.devices,
            load=_load(coordinator),
            nodes=len(coordinator.nodes.alive()),
        )

    return routes


def _status(coordinator: Coordinator) -> Literal["ok", "starting", "degraded"]:
    nodes = coordinator.nodes
    if any(node.url for node in nodes.alive()):
        return "ok"
    return "starting" if nodes.expected else "degraded"


def _load(coordinator: Coordinator) -> Load:
    loads = [node.load for node in coordinator.nodes.workers()]
    return Load(
        in_flight=coordinator.ledger.in_flight,
        memory_used=sum(load.memory_used for load in loads),
        memory_budget=max((load.memory_budget for load in loads), default=0),
    )
