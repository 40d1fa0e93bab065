"""``/v1/embeddings``."""

from __future__ import annotations

import base64
import struct
from typing import cast

from fastapi import APIRouter, Request
from starlette.responses import Response

from llmlab.errors import InvalidRequestError
from llmlab.protocol.connection import while_connected
from llmlab.protocol.openai import EmbeddingBody, check, parse_json
from llmlab.protocol.openai_answers import embeddings_body
from llmlab.types import JsonObject, JsonValue
from llmlab.worker.bodies import documented
from llmlab.worker.caller import caller_of
from llmlab.worker.responses import CLIENT_LEFT, json_response
from llmlab.worker.service import Worker


def router(worker: Worker) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["openai"])

    @routes.post("/v1/embeddings", openapi_extra=documented(EmbeddingBody))
    async def embed(request: Request) -> Response:
        """Turn texts into vectors."""
        body = check(EmbeddingBody, parse_json(await request.body()))
        if body.dimensions is not None:
            raise InvalidRequestError(
                "The length of the vectors cannot be chosen here.", param="dimensions"
            )
        key = worker.catalog.get(body.model).key
        made = await while_connected(request.receive, worker.executor.embed(key, _texts(body)))
        if made is None:
            return Response(status_code=CLIENT_LEFT)
        vectors, usage = made
        answer = embeddings_body(body.model, vectors, usage)
        if body.encoding_format == "base64":
            _pack(answer)
        return json_response(answer, caller_of(request, worker.name).headers)

    return routes


def _texts(body: EmbeddingBody) -> list[str]:
    texts = [body.input] if isinstance(body.input, str) else body.input
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InvalidRequestError("Give one text or a list of texts.", param="input")
    return cast("list[str]", texts)


def _pack(answer: JsonObject) -> None:
    """Write the vectors as OpenAI does on request: little-endian 32-bit floats in base64."""
    for entry in cast("list[dict[str, JsonValue]]", answer["data"]):
        vector = cast("list[float]", entry["embedding"])
        packed = struct.pack(f"<{len(vector)}f", *vector)
        entry["embedding"] = base64.b64encode(packed).decode()
