"""``/v1/chat/completions`` and ``/v1/completions``."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from llmlab.protocol.openai import ChatCompletionBody, CompletionBody, check, parse_json
from llmlab.worker.bodies import documented
from llmlab.worker.caller import caller_of
from llmlab.worker.generation import Generations
from llmlab.worker.service import Worker


def router(worker: Worker, generations: Generations) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["openai"])

    @routes.post("/v1/chat/completions", openapi_extra=documented(ChatCompletionBody))
    async def chat(request: Request) -> Response:
        """Answer a conversation, whole or as server-sent events."""
        return await _answer(request, ChatCompletionBody)

    @routes.post("/v1/completions", openapi_extra=documented(CompletionBody))
    async def complete(request: Request) -> Response:
        """Continue a text, whole or as server-sent events."""
        return await _answer(request, CompletionBody)

    async def _answer(
        request: Request, kind: type[ChatCompletionBody | CompletionBody]
    ) -> Response:
        content = parse_json(await request.body())
        body = check(kind, content)
        return generations.respond(body, content, caller_of(request, worker.name))

    return routes
