"""Server-sent events: one ``data:`` line an event, as OpenAI's API streams them.

Source: WHATWG HTML, section 9.2 (event stream interpretation).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

from llmlab.errors import EngineError

DONE = b"data: [DONE]\n\n"
DONE_PAYLOAD = b"[DONE]"
EVENT_LIMIT = 16 * 1024 * 1024
HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


def frame(payload: bytes) -> bytes:
    """Return a JSON payload (no newline in it) as one event."""
    return b"data: " + payload + b"\n\n"


async def payloads(
    stream: AsyncIterable[bytes], *, limit: int = EVENT_LIMIT
) -> AsyncGenerator[bytes, None]:
    """Yield the data of each event of a byte stream, however its pieces are cut.

    An event of several ``data:`` lines is joined by newlines; comments and other fields are
    skipped. An event that the stream's end cuts off is not yielded.

    Raises:
        EngineError: An event is longer than ``limit`` bytes.
    """
    pending = b""
    data: list[bytes] = []
    size = 0
    async for piece in stream:
        *lines, pending = (pending + piece).split(b"\n")
        for line in (line.rstrip(b"\r") for line in lines):
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
                size += len(line)
            elif not line and data:
                yield b"\n".join(data)
                data, size = [], 0
        if len(pending) + size > limit:
            raise EngineError(f"The server streamed an event of more than {limit} bytes.")
