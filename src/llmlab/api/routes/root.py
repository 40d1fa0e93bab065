"""``GET /``: what this is; public."""

from __future__ import annotations

from fastapi import APIRouter

from llmlab import __version__
from llmlab.coordinator import Coordinator
from llmlab.types import JsonObject


def router(coordinator: Coordinator) -> APIRouter:
    """Return the route."""
    del coordinator
    routes = APIRouter(tags=["lab"])

    @routes.get("/")
    async def root() -> JsonObject:
        """Say what this is and where the documentation is."""
        return {"name": "LLM Lab", "version": __version__, "docs": "/docs"}

    return routes
