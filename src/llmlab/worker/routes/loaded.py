"""``/cache``: the models in memory (the Lab API's name for them)."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from llmlab.errors import ModelNotFoundError
from llmlab.protocol.lab import LoadedModels, Unloaded
from llmlab.worker.service import Worker


def router(worker: Worker) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["models"])
    manager = worker.manager

    @routes.get("/cache")
    async def loaded() -> LoadedModels:
        """List the models in memory, and the memory."""
        models = [model.entry(worker.name) for model in manager.loaded()]
        return LoadedModels(
            models=models,
            # Of the same moment as the list; the vitals are of the last heartbeat.
            memory_used=sum(model.memory_bytes for model in models),
            memory_budget=worker.vitals.load().memory_budget,
        )

    @routes.post("/cache/clear")
    async def clear() -> Unloaded:
        """Unload every model that is not answering."""
        unloaded = await asyncio.to_thread(manager.cleanup_all)
        worker.changed.set()
        return Unloaded(unloaded=unloaded)

    @routes.delete("/cache/{model:path}")
    async def unload(model: str, *, force: bool = False) -> Unloaded:
        """Unload one model; ``force`` also when it is answering."""
        # One that was taken out of the catalog can still be in memory.
        key = model if manager.get_model(model) else worker.catalog.get(model).key
        if not await worker.executor.unload(key, force=force):
            loaded = ", ".join(sorted(each.key for each in manager.loaded())) or "none"
            raise ModelNotFoundError(
                f"The model {key} is not loaded. Loaded: {loaded}.", param="model"
            )
        worker.changed.set()
        return Unloaded(unloaded=[key])

    return routes
