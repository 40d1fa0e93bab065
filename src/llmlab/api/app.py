"""The coordinator's HTTP application: the gate, the hot path, and the API behind them."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from llmlab import __version__
from llmlab.api.auth import Doorkeeper, NodesJoinOnly, Sessions
from llmlab.api.documents import add_hot_path
from llmlab.api.hot_path import BODIES, HotPath
from llmlab.api.routes import (
    chat,
    health,
    inference,
    loaded,
    metrics,
    models,
    nodes,
    openai_models,
    response_cache,
    root,
    runs,
    session,
    tasks,
)
from llmlab.api.routes.session import SignInBody
from llmlab.api.websockets import chat as chat_socket
from llmlab.api.websockets import join
from llmlab.coordinator import Coordinator
from llmlab.files import load_or_create_secret
from llmlab.protocol.access import App, Gate
from llmlab.protocol.addresses import allowed_names
from llmlab.protocol.lab import ChatBody, InferenceBody, LoadBody
from llmlab.worker.bodies import add_schemas
from llmlab.worker.errors import install_error_handlers
from llmlab.worker.reference import add_reference

PUBLIC = (
    "/",
    "/health",
    "/docs",
    "/openapi.json",
    "/api/session",
    "/api/v1/session",
)
_PREFIXES = ("/api", "/api/v1")


def create_app(coordinator: Coordinator) -> App:
    """Return the whole ASGI application of a coordinator that somebody else starts and stops."""
    settings = coordinator.settings
    secret = load_or_create_secret(settings.home_folder / "session-secret", "session")
    sessions = Sessions(secret, coordinator.api_key)
    doorkeeper = Doorkeeper(coordinator.api_key, coordinator.node_secret, sessions)
    api = create_api(coordinator, doorkeeper)
    return Gate(
        NodesJoinOnly(HotPath(api, coordinator.inference, coordinator.ledger)),
        doorkeeper,
        hosts=allowed_names(settings),
        max_body=int(settings.max_body_mb * 1e6),
        public=PUBLIC,
    )


def create_api(coordinator: Coordinator, doorkeeper: Doorkeeper) -> FastAPI:
    """Return the API behind gate and hot path."""
    api = FastAPI(title="LLM Lab", version=__version__, docs_url=None, redoc_url=None)
    install_error_handlers(api)
    for noun in (root, health, openai_models, models, loaded, inference, chat, metrics):
        api.include_router(noun.router(coordinator))
    for prefix in _PREFIXES:
        api.include_router(_api_router(coordinator, doorkeeper), prefix=prefix)
    for line in (join, chat_socket):
        api.include_router(line.router(coordinator))
    add_schemas(api, (*BODIES.values(), ChatBody, InferenceBody, LoadBody, SignInBody))
    add_hot_path(api)
    add_reference(api)
    return api


def _api_router(coordinator: Coordinator, doorkeeper: Doorkeeper) -> APIRouter:
    routes = APIRouter()
    for noun in (nodes, tasks, runs, response_cache):
        routes.include_router(noun.router(coordinator))
    routes.include_router(inference.api_router(coordinator))
    routes.include_router(session.router(doorkeeper))
    return routes
