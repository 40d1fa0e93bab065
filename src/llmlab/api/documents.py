"""Adds to the OpenAPI document what FastAPI does not see: the routes of the hot path."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from llmlab.api.hot_path import BODIES
from llmlab.worker.bodies import documented

_SUMMARIES = {
    "/v1/chat/completions": "Answer a conversation, whole or as server-sent events",
    "/v1/completions": "Continue a text, whole or as server-sent events",
    "/v1/embeddings": "Turn texts into vectors",
}


def add_hot_path(api: FastAPI) -> None:
    """Make the application's OpenAPI document list the routes that are answered ahead of it."""
    generate = api.openapi

    def with_hot_path() -> dict[str, Any]:
        document = generate()
        for path, body in BODIES.items():
            document["paths"][path] = {
                "post": {
                    "tags": ["openai"],
                    "summary": _SUMMARIES[path],
                    "operationId": path.strip("/").replace("/", "_"),
                    **documented(body),
                    "responses": {"200": {"description": "As OpenAI's API answers"}},
                }
            }
        return document

    api.openapi = with_hot_path  # type: ignore[method-assign] # FastAPI's documented way
