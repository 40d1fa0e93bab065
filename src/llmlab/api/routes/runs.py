"""``/api/runs``: what was executed, step by step and event by event."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from llmlab.coordinator import Coordinator
from llmlab.errors import NotFoundError
from llmlab.protocol import sse
from llmlab.store import runs, steps
from llmlab.store.runs import Run

_LARGE = ("input", "output", "durable")


def router(coordinator: Coordinator) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["runs"])
    database = coordinator.database

    @routes.get("/runs")
    async def listing(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        kind: str | None = None,
        before: float | None = None,
    ) -> dict[str, Any]:
        """List the newest runs and single calls; ``before`` pages on, in Unix seconds."""
        await coordinator.accounting.flush()
        found = await database.read(
            runs.listing, tenant=request.state.tenant, kind=kind, limit=limit, before=before
        )
        return {"runs": [_brief(run) for run in found]}

    @routes.get("/runs/{run_id}", responses={200: {"model": dict[str, Any]}})
    async def one(run_id: str, request: Request) -> Response:
        """Return a run with its input, its output and its steps."""
        await coordinator.accounting.flush()
        run = await database.read(runs.get, run_id, tenant=request.state.tenant)
        if run is None:
            raise NotFoundError(f"There is no run {run_id[:64]!r}.")
        done = await database.read(steps.of_run, run_id)
        told = asdict(run) | {"steps": [asdict(step) for step in done]}
        # In ASCII, as a lone surrogate that a client once sent fits into no other encoding.
        return Response(json.dumps(told), media_type="application/json")

    @routes.get("/runs/{run_id}/events", response_class=StreamingResponse)
    async def events(run_id: str, request: Request) -> Response:
        """Stream a run's events from the first; they go on for as long as it runs."""
        followed = coordinator.runs.follow(run_id, tenant=request.state.tenant)
        first = await anext(aiter(followed), None)

        async def framed() -> Any:
            if first is not None:
                yield sse.frame(first.model_dump_json().encode())
            async for event in followed:
                yield sse.frame(event.model_dump_json().encode())

        return StreamingResponse(framed(), headers=sse.HEADERS)

    return routes


def _brief(run: Run) -> dict[str, Any]:
    return {name: value for name, value in asdict(run).items() if name not in _LARGE}
