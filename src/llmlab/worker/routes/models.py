"""``/models``: what can be served, and bringing it into memory."""

from __future__ import annotations

from fastapi import APIRouter

from llmlab.protocol.lab import LoadBody, LoadedModelEntry, ModelsReport
from llmlab.worker.bodies import documented, read_as
from llmlab.worker.service import Worker


def router(worker: Worker) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["models"])

    @routes.get("/models")
    async def models() -> ModelsReport:
        """List the models that this worker can serve, loaded or not."""
        return ModelsReport(models=worker.capabilities().models)

    @routes.post("/models/load", openapi_extra=documented(LoadBody))
    async def load(body: LoadBody = read_as(LoadBody)) -> LoadedModelEntry:
        """Bring a model into memory; it stays there when the client does not wait."""
        key = worker.catalog.get(body.model).key
        model = await worker.executor.load(key, body.strategy)
        worker.changed.set()
        return model.entry(worker.name)

    return routes
