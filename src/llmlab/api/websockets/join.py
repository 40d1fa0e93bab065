"""``/ws/join``: where workers join the lab and stay in it."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect, WebSocketState

from llmlab.api.websockets.messages import text_from
from llmlab.cluster.links import is_http_address
from llmlab.cluster.nodes import WORKER_KINDS, Node
from llmlab.coordinator import Coordinator
from llmlab.errors import ConflictError, InvalidRequestError, LabError
from llmlab.log import get_logger
from llmlab.protocol.mesh import (
    PROTOCOL_VERSION,
    Heartbeat,
    Join,
    Joined,
    Leave,
    Refused,
    from_node,
)
from llmlab.types import NodeKind

logger = get_logger(__name__)

JOIN_DEADLINE = 10.0
LARGEST_MESSAGE = 1_000_000
_POLICY_VIOLATION = 1008
_TOO_BIG = 1009
_JOIN_AGAIN = 1012


def router(coordinator: Coordinator) -> APIRouter:
    """Return the route; the gate lets in who has a node's secret."""
    routes = APIRouter()

    @routes.websocket("/ws/join")
    async def join(socket: WebSocket) -> None:
        await socket.accept()
        try:
            node = await _introduced(socket, coordinator)
        except LabError as error:
            refused = Refused(code=error.code, message=error.message)
            await _close(socket, _POLICY_VIOLATION, refused)
            return
        except (WebSocketDisconnect, TimeoutError):
            await _close(socket, _POLICY_VIOLATION)
            return
        logger.info("%s joined", node.name, extra={"node": node.id, "url": node.url})
        try:
            await _stay(socket, coordinator, node)
        except LabError as error:
            logger.warning("%s is not understood: %s", node.name, error.message)
        except (WebSocketDisconnect, TimeoutError):
            logger.info("The line to %s broke", node.name)
        finally:
            coordinator.nodes.lose(node)
            await _close(socket, _JOIN_AGAIN)

    return routes


async def _introduced(socket: WebSocket, coordinator: Coordinator) -> Node:
    async with asyncio.timeout(JOIN_DEADLINE):
        message = await _message(socket)
    if not isinstance(message, Join):
        raise InvalidRequestError("The first message must be a join.")
    if message.protocol != PROTOCOL_VERSION:
        raise ConflictError(
            f"This lab speaks version {PROTOCOL_VERSION} of the protocol, the node"
            f" {message.protocol}; both need the same version of LLM Lab."
        )
    if message.kind not in WORKER_KINDS:
        raise InvalidRequestError(f"A node of the kind {message.kind.value} cannot join here.")
    if message.url is not None and not is_http_address(message.url):
        raise InvalidRequestError("The url of a node must be an http address.")
    caller = socket.client.host if socket.client else ""
    node = coordinator.nodes.join(as_seen(message, caller), key=coordinator.node_secret)
    interval = coordinator.settings.heartbeat_interval
    joined = Joined(node_id=node.id, heartbeat_interval=interval)
    await socket.send_text(joined.model_dump_json())
    return node


async def _stay(socket: WebSocket, coordinator: Coordinator, node: Node) -> None:
    while True:
        async with asyncio.timeout(node.timeout):
            message = await _message(socket)
        if isinstance(message, Leave):
            coordinator.nodes.leave(node)
            return
        if not isinstance(message, Heartbeat) or not coordinator.nodes.heartbeat(node, message):
            return


async def _message(socket: WebSocket) -> Join | Heartbeat | Leave:
    text = await text_from(socket)
    if len(text) > LARGEST_MESSAGE:
        raise WebSocketDisconnect(_TOO_BIG)
    try:
        return from_node.validate_json(text)
    except ValidationError as error:
        raise InvalidRequestError("The message is not understood.") from error


def as_seen(join: Join, caller: str) -> Join:
    """Return a join with what the connection itself tells better than the node does.

    Args:
        join: How the node introduced itself.
        caller: The address that it called from.
    """
    if _is_loopback(caller):
        return join
    seen: dict[str, object] = {"kind": NodeKind.REMOTE}
    parts = urlsplit(join.url or "")
    if _is_loopback(parts.hostname or ""):
        host = f"[{caller}]" if ":" in caller else caller
        seen["url"] = urlunsplit(parts._replace(netloc=f"{host}:{parts.port or 80}"))
    return join.model_copy(update=seen)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _close(socket: WebSocket, code: int, last: Refused | None = None) -> None:
    if socket.client_state is WebSocketState.DISCONNECTED:
        return
    if socket.application_state is WebSocketState.DISCONNECTED:
        return
    if last is not None:
        await socket.send_text(last.model_dump_json())
    await socket.close(code)
