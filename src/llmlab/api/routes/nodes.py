"""``GET /api/nodes``: who is in the lab."""

from __future__ import annotations

from fastapi import APIRouter

from llmlab.coordinator import Coordinator
from llmlab.protocol.lab import NodeReport


def router(coordinator: Coordinator) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["nodes"])

    @routes.get("/nodes")
    async def nodes() -> dict[str, list[NodeReport]]:
        """List the nodes, those that were lost lately included."""
        return {"nodes": coordinator.nodes.reports()}

    return routes
