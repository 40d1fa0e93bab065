"""What comes over a socket: text."""

from __future__ import annotations

from fastapi import WebSocket

from llmlab.errors import InvalidRequestError


async def text_from(socket: WebSocket) -> str:
    """Return the next message.

    Raises:
        InvalidRequestError: It is a binary one.
        WebSocketDisconnect: The client has left.
    """
    try:
        return await socket.receive_text()
    except KeyError as error:
        # Starlette takes for granted that the text is there.
        raise InvalidRequestError("Messages must be text, not binary.") from error
