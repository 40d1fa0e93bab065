"""Work for a client that may go away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from llmlab.protocol.access import Receive

T = TypeVar("T")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """Run work for as long as its client is there.

    Args:
        receive: The connection's ASGI ``receive``; the body has been read.
        work: What is done for the client; cancelled when it leaves, and waited for, so that
            whatever it held is let go when this returns.

    Returns:
        What the work returned; None when the client left first.
    """
    working = asyncio.create_task(work, name="work for a client")
    watching = asyncio.create_task(_gone(receive), name="watch of a client")
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for each in (working, watching):
            each.cancel()
        await asyncio.wait({working, watching})
        if not working.cancelled():
            # Nobody is left to tell; without this, asyncio would complain that nobody asked.
            working.exception()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
