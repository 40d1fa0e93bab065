"""``GET /``: what this is."""

from __future__ import annotations

from fastapi import APIRouter

from llmlab import __version__
from llmlab.types import JsonObject
from llmlab.worker.service import Worker


def router(worker: Worker) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["worker"])

    @routes.get("/")
    async def root() -> JsonObject:
        """Say what this is and where the documentation is."""
        return {
            "name": "LLM Lab worker",
            "node": worker.name,
            "version": __version__,
            "docs": "/docs",
        }

    return routes
