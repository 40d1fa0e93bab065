"""``/ws/chat``: the same turns as ``POST /chat``, one after the other over one socket.

A client sends the body of ``POST /chat`` as a text message, and gets the run's events. The gate
has checked key or cookie, and Origin, before the socket is accepted.
"""

from __future__ import annotations

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect

from llmlab.api.websockets.messages import text_from
from llmlab.coordinator import Coordinator
from llmlab.errors import LabError
from llmlab.events import Event, RunFailed
from llmlab.protocol.lab import ChatBody
from llmlab.protocol.openai import invalid, parse_json


def router(coordinator: Coordinator) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.websocket("/ws/chat")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                try:
                    await _turn(socket, coordinator, await text_from(socket))
                except LabError as error:
                    await _send(socket, RunFailed(message=error.message, code=error.code))
        except WebSocketDisconnect:
            # The run goes on; its events are kept for whoever asks.
            return

    return routes


async def _turn(socket: WebSocket, coordinator: Coordinator, text: str) -> None:
    try:
        body = ChatBody.model_validate(parse_json(text.encode()))
    except ValidationError as error:
        raise invalid(error) from error
    handle = await coordinator.workflows.start(body, socket.state.tenant)
    async for event in handle.events():
        await _send(socket, event)


async def _send(socket: WebSocket, event: Event) -> None:
    await socket.send_text(event.model_dump_json())
