"""``/models``: what the lab's nodes can serve, and bringing it into memory."""

from __future__ import annotations

from fastapi import APIRouter

from llmlab.coordinator import Coordinator
from llmlab.protocol.lab import LoadBody, LoadedModelEntry, ModelsReport
from llmlab.worker.bodies import documented, read_as


def router(coordinator: Coordinator) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["models"])

    @routes.get("/models")
    async def models() -> ModelsReport:
        """List the models of all nodes, loaded or not."""
        found = coordinator.nodes.models()
        return ModelsReport(models=[entry for _, (entry, _) in sorted(found.items())])

    @routes.post("/models/load", openapi_extra=documented(LoadBody))
    async def load(body: LoadBody = read_as(LoadBody)) -> LoadedModelEntry:
        """Bring a model into the memory of a worker that has it."""
        return await coordinator.fleet.load(body)

    return routes
