"""``/v1/models``."""

from __future__ import annotations

from fastapi import APIRouter

from llmlab.protocol.openai_answers import models_body
from llmlab.types import JsonObject
from llmlab.worker.service import Worker


def router(worker: Worker) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["openai"])

    @routes.get("/v1/models")
    async def models() -> JsonObject:
        """List the models in OpenAI's form."""
        return models_body((record.key, worker.name) for record in worker.catalog.records())

    @routes.get("/v1/models/{model:path}")
    async def model(model: str) -> JsonObject:
        """Return one model in OpenAI's form."""
        body = models_body([(worker.catalog.get(model).key, worker.name)])
        listed = body["data"]
        assert isinstance(listed, list)
        assert isinstance(listed[0], dict)
        return listed[0]

    return routes
