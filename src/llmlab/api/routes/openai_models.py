"""``/v1/models``."""

from __future__ import annotations

from fastapi import APIRouter, Request

from llmlab.coordinator import Coordinator
from llmlab.errors import ModelNotFoundError
from llmlab.protocol.openai import HOPS_HEADER
from llmlab.protocol.openai_answers import models_body
from llmlab.types import JsonObject


def router(coordinator: Coordinator) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["openai"])

    def owners(request: Request) -> dict[str, str]:
        # Another lab is told of our own models only: what it got from a third one, and that
        # one perhaps from it, would live for ever.
        for_a_lab = HOPS_HEADER in request.headers
        found = coordinator.nodes.models(workers_only=for_a_lab)
        return {model: nodes[0].name for model, (_, nodes) in sorted(found.items())}

    @routes.get("/v1/models")
    async def models(request: Request) -> JsonObject:
        """List the models of all nodes in OpenAI's form."""
        return models_body(owners(request).items())

    @routes.get("/v1/models/{model:path}")
    async def model(model: str, request: Request) -> JsonObject:
        """Return one model in OpenAI's form."""
        found = owners(request)
        if model not in found:
            raise ModelNotFoundError(
                f"There is no model {model[:200]!r}. The lab has: {', '.join(found) or 'none'}.",
                param="model",
            )
        listed = models_body([(model, found[model])])["data"]
        assert isinstance(listed, list)
        assert isinstance(listed[0], dict)
        return listed[0]

    return routes
