"""``/cache``: the models in memory over all workers (the Lab API's name for them)."""

from __future__ import annotations

from fastapi import APIRouter

from llmlab.coordinator import Coordinator
from llmlab.protocol.lab import LoadedModels, Unloaded


def router(coordinator: Coordinator) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["models"])
    fleet = coordinator.fleet

    @routes.get("/cache")
    async def loaded() -> LoadedModels:
        """List the models in memory, with their workers."""
        return await fleet.loaded()

    @routes.post("/cache/clear")
    async def clear() -> Unloaded:
        """Unload every model that is not answering."""
        return await fleet.clear()

    @routes.delete("/cache/{model:path}")
    async def unload(model: str, *, force: bool = False) -> Unloaded:
        """Unload one model wherever it is loaded; ``force`` also when it is answering."""
        return await fleet.unload(model, force=force)

    return routes
