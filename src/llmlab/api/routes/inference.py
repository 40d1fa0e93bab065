"""``POST /inference`` and ``POST /api/v1/execute``: one prompt, one answer, what it cost."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from llmlab.cluster.ledger import CLIENT_LEFT, Entry
from llmlab.coordinator import Coordinator
from llmlab.errors import LabError
from llmlab.protocol.connection import while_connected
from llmlab.protocol.lab import InferenceBody, InferenceResult
from llmlab.protocol.openai import CACHE_HEADER, NODE_HEADER, RUN_HEADER
from llmlab.types import Usage, new_id
from llmlab.worker.bodies import documented, read_as

_DOCUMENTED = documented(InferenceBody)
_RESPONSES: dict[int | str, dict[str, Any]] = {200: {"model": InferenceResult}}


def router(coordinator: Coordinator) -> APIRouter:
    """Return ``/inference``."""
    routes = APIRouter(tags=["inference"])

    @routes.post("/inference", openapi_extra=_DOCUMENTED, responses=_RESPONSES)
    async def infer(request: Request, body: InferenceBody = read_as(InferenceBody)) -> Response:
        """Answer one prompt."""
        cache_control = request.headers.get("cache-control")
        work = coordinator.prompts.infer(
            body, tenant=request.state.tenant, cache_control=cache_control
        )
        return await _answered(coordinator, request, body, "inference", work)

    return routes


def api_router(coordinator: Coordinator) -> APIRouter:
    """Return ``/execute``."""
    routes = APIRouter(tags=["inference"])

    @routes.post("/execute", openapi_extra=_DOCUMENTED, responses=_RESPONSES)
    async def execute(request: Request, body: InferenceBody = read_as(InferenceBody)) -> Response:
        """Answer one prompt; three attempts, five minutes."""
        work = coordinator.prompts.execute(body, tenant=request.state.tenant)
        return await _answered(coordinator, request, body, "execute", work)

    return routes


async def _answered(
    coordinator: Coordinator,
    request: Request,
    body: InferenceBody,
    kind: str,
    work: Coroutine[Any, Any, InferenceResult],
) -> Response:
    ledger, began = coordinator.ledger, time.perf_counter()
    model = body.model or coordinator.settings.model
    entry = Entry(kind, CLIENT_LEFT, 0.0, request.state.tenant, new_id("run"), model)
    ledger.in_flight += 1
    try:
        result = await while_connected(request.receive, work)
        return Response(status_code=CLIENT_LEFT) if result is None else _response(entry, result)
    except LabError as error:
        entry.status, entry.error = error.status, error
        raise
    finally:
        ledger.in_flight -= 1
        entry.seconds = time.perf_counter() - began
        ledger.enter(entry)


def _response(entry: Entry, result: InferenceResult) -> Response:
    entry.status = 200
    entry.node, entry.cache_hit = result.node, result.response_cached
    if not entry.cache_hit:
        entry.usage = Usage(result.usage.prompt_tokens, result.usage.completion_tokens)
    told = result.model_copy(update={"run_id": entry.run_id})
    headers = {
        NODE_HEADER: result.node or "",
        CACHE_HEADER: "hit" if result.response_cached else "miss",
        RUN_HEADER: entry.run_id or "",
    }
    return Response(told.model_dump_json(), headers=headers, media_type="application/json")
