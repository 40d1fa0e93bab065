"""The worker's HTTP application."""

from __future__ import annotations

from fastapi import FastAPI

from llmlab import __version__
from llmlab.protocol.access import App
from llmlab.protocol.lab import InferenceBody, LoadBody, ToolCallBody
from llmlab.protocol.openai import ChatCompletionBody, CompletionBody, EmbeddingBody
from llmlab.worker.access import gate
from llmlab.worker.bodies import add_schemas
from llmlab.worker.errors import install_error_handlers
from llmlab.worker.generation import Generations
from llmlab.worker.reference import add_reference
from llmlab.worker.routes import (
    embeddings,
    generation,
    health,
    inference,
    loaded,
    metrics,
    models,
    openai_models,
    root,
    shard,
    tools,
)
from llmlab.worker.service import Worker

_PLAIN_ROUTES = (root, health, models, loaded, inference, metrics, shard, tools, openai_models)
_BODIES = (
    ChatCompletionBody,
    CompletionBody,
    EmbeddingBody,
    InferenceBody,
    LoadBody,
    ToolCallBody,
)


def create_app(worker: Worker) -> App:
    """Return the whole ASGI application: the gate, and the API behind it."""
    return gate(create_api(worker), worker.settings)


def create_api(worker: Worker) -> FastAPI:
    """Return the API without its gate; it shows a worker that somebody else starts and stops."""
    api = FastAPI(title="LLM Lab worker", version=__version__, docs_url=None, redoc_url=None)
    install_error_handlers(api)
    for noun in _PLAIN_ROUTES:
        api.include_router(noun.router(worker))
    api.include_router(embeddings.router(worker))
    api.include_router(generation.router(worker, _generations(worker)))
    add_schemas(api, _BODIES)
    add_reference(api)
    return api


def _generations(worker: Worker) -> Generations:
    settings = worker.settings
    return Generations(
        worker.catalog,
        worker.executor,
        worker.cache if settings.cache_enabled else None,
        node=worker.name,
        deadline=settings.load_timeout + settings.request_timeout,
    )
