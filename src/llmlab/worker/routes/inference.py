"""``POST /inference``: one prompt, one answer, and what it cost."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from llmlab.cache.manager import CachedAnswer
from llmlab.cache.policy import cache_policy
from llmlab.protocol.connection import while_connected
from llmlab.protocol.lab import InferenceBody, InferenceResult
from llmlab.protocol.openai import CACHE_HEADER, RUN_HEADER
from llmlab.worker.bodies import documented, read_as
from llmlab.worker.caller import caller_of
from llmlab.worker.generation import Caller
from llmlab.worker.responses import CLIENT_LEFT, json_bytes_response
from llmlab.worker.service import Worker


def router(worker: Worker) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["inference"])

    @routes.post(
        "/inference",
        openapi_extra=documented(InferenceBody),
        responses={200: {"model": InferenceResult}},
    )
    async def infer(request: Request, body: InferenceBody = read_as(InferenceBody)) -> Response:
        """Answer one prompt."""
        caller = caller_of(request, worker.name)
        name = body.model or worker.settings.model
        body = body.model_copy(update={"model": worker.catalog.get(name).key})
        key = _key(worker, body, caller)
        policy = cache_policy(body.model_dump(), caller.cache_control)
        stored = worker.cache.get_key(key) if key and policy.read else None
        if stored is not None:
            return _response(InferenceResult.model_validate_json(stored.body), caller, hit=True)
        result = await while_connected(request.receive, worker.executor.execute(body))
        if result is None:
            return Response(status_code=CLIENT_LEFT)
        if key and policy.write and result.finish_reason in ("stop", "tool_calls"):
            worker.cache.put_key(key, CachedAnswer(result.model_dump_json().encode()))
        return _response(result, caller, hit=False)

    def _response(result: InferenceResult, caller: Caller, *, hit: bool) -> Response:
        run_id = caller.headers[RUN_HEADER]
        update = {"node": worker.name, "run_id": run_id, "response_cached": hit}
        given = result.model_copy(update=update)
        headers = {**caller.headers, CACHE_HEADER: "hit" if hit else "miss"}
        return json_bytes_response(given.model_dump_json().encode(), headers)

    return routes


def _key(worker: Worker, body: InferenceBody, caller: Caller) -> str | None:
    if caller.tenant is None or not worker.settings.cache_enabled:
        return None
    strategy = body.strategy or worker.settings.default_strategy
    digest = worker.catalog.get(body.model or "").digest
    return worker.cache.key(
        body.model_dump(), tenant=caller.tenant, model_digest=f"inference {strategy} {digest}"
    )
