"""``GET /api/tasks``: steps and single calls, seen from who did them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from llmlab.coordinator import Coordinator
from llmlab.protocol.lab import TaskReport
from llmlab.store import steps


def router(coordinator: Coordinator) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["runs"])

    @routes.get("/tasks")
    async def tasks(
        request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> dict[str, list[TaskReport]]:
        """List the newest steps with who did them."""
        await coordinator.accounting.flush()
        tenant = request.state.tenant
        return {"tasks": await coordinator.database.read(steps.tasks, tenant=tenant, limit=limit)}

    return routes
