"""``POST /chat``: one turn with planner and tools, whole or as server-sent events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from llmlab.cache.policy import cache_policy
from llmlab.cluster.ledger import Entry
from llmlab.coordinator import NAME, Coordinator
from llmlab.errors import LabError
from llmlab.events import StepRecord
from llmlab.protocol import sse
from llmlab.protocol.lab import ChatBody, ChatResult
from llmlab.protocol.openai import CACHE_HEADER, NODE_HEADER, RUN_HEADER
from llmlab.worker.bodies import documented, read_as
from llmlab.workflows.durable.engine import RunHandle


def router(coordinator: Coordinator) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["chat"])
    workflows = coordinator.workflows

    @routes.post(
        "/chat", openapi_extra=documented(ChatBody), responses={200: {"model": ChatResult}}
    )
    async def chat(request: Request, body: ChatBody = read_as(ChatBody)) -> Response:
        """Answer a message; the run goes on when the client leaves."""
        tenant, began = request.state.tenant, time.perf_counter()
        # The run has a record of its own, so that this entry is counted and no more.
        entry = Entry("chat", 200, 0.0, tenant)
        if not cache_policy({"cache": body.cache}, request.headers.get("cache-control")).read:
            body = body.model_copy(update={"cache": False})
        try:
            if body.stream:
                return _streamed(await workflows.start(body, tenant))
            return _whole(await workflows.invoke(body, tenant))
        except LabError as error:
            entry.status = error.status
            raise
        finally:
            entry.seconds = time.perf_counter() - began
            coordinator.ledger.enter(entry)

    return routes


def _streamed(handle: RunHandle) -> Response:
    headers = {RUN_HEADER: handle.id, NODE_HEADER: NAME, CACHE_HEADER: "miss"}
    return StreamingResponse(_framed(handle), headers={**headers, **sse.HEADERS})


def _whole(result: ChatResult) -> Response:
    headers = {RUN_HEADER: result.run_id, **_origin(result.steps)}
    return Response(result.model_dump_json(), headers=headers, media_type="application/json")


async def _framed(handle: RunHandle) -> AsyncIterator[bytes]:
    async for event in handle.events():
        yield b"event: %s\n" % event.type.encode() + sse.frame(event.model_dump_json().encode())


def _origin(steps: list[StepRecord]) -> dict[str, str]:
    """Return the headers that name the node of the last step, and whether all was known."""
    asked = [step for step in steps if step.kind != "tool"]
    hit = bool(asked) and all(step.cache_hit for step in asked)
    node = next((step.node for step in reversed(steps) if step.node), NAME)
    return {NODE_HEADER: node, CACHE_HEADER: "hit" if hit else "miss"}
