"""``/shard/entries/{key}``: this node's part of the lab's response cache."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from llmlab.cache.keys import is_key
from llmlab.cache.manager import CachedAnswer
from llmlab.errors import InvalidRequestError, NotFoundError
from llmlab.protocol.openai import NODE_HEADER
from llmlab.worker.service import Worker

TTL_HEADER = "x-llmlab-ttl"

Key = Annotated[str, Path(description="40 hexadecimal digits")]


def router(worker: Worker) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["shard"])
    cache = worker.cache

    @routes.get("/shard/entries/{key}")
    async def get(key: Key) -> Response:
        """Return the bytes of an answer, and which node made it."""
        answer = cache.get_key(_checked(key))
        if answer is None:
            raise NotFoundError("There is no such entry, or it has expired.")
        return Response(
            answer.body, media_type="application/json", headers={NODE_HEADER: answer.node}
        )

    @routes.put("/shard/entries/{key}", status_code=204)
    async def put(key: Key, request: Request) -> Response:
        """Keep the bytes of an answer; the header ``x-llmlab-ttl`` gives seconds to live."""
        node = request.headers.get(NODE_HEADER, "")[:100]
        answer = CachedAnswer(await request.body(), node=node)
        cache.put_key(_checked(key), answer, _ttl(request.headers.get(TTL_HEADER)))
        return Response(status_code=204)

    @routes.delete("/shard/entries/{key}", status_code=204)
    async def delete(key: Key) -> Response:
        """Forget an answer."""
        if not cache.delete_key(_checked(key)):
            raise NotFoundError("There is no such entry, or it has expired.")
        return Response(status_code=204)

    return routes


def _checked(key: str) -> str:
    if not is_key(key):
        raise InvalidRequestError("A key of the cache is 40 hexadecimal digits.", param="key")
    return key


def _ttl(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    # NaN and infinity are no times to live either.
    if not 0 < seconds <= 30 * 86400:
        raise InvalidRequestError(f"{TTL_HEADER} must be seconds, up to 30 days.", param=TTL_HEADER)
    return seconds
