"""Clients that leave."""

from __future__ import annotations

import asyncio

import pytest

from llmlab.protocol.access import Event
from llmlab.protocol.connection import Departure


class Client:
    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def receive(self) -> Event:
        await self.left.wait()
        return {"type": "http.disconnect"}


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    client = Client()
    asyncio.get_running_loop().call_soon(client.left.set)
    cancelled = False
    with Departure(client.receive) as departure:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled = True
            raise
    assert cancelled
    assert departure.gone
    await asyncio.sleep(0)  # the cancellation does not linger


async def test_work_that_is_done_is_left_alone() -> None:
    client = Client()
    with Departure(client.receive) as departure:
        await asyncio.sleep(0)
    client.left.set()
    await asyncio.sleep(0.1)
    assert not departure.gone


async def test_errors_of_the_work_pass() -> None:
    with pytest.raises(ValueError, match="mine"), Departure(Client().receive):
        raise ValueError("mine")


async def test_a_cancellation_from_elsewhere_passes() -> None:
    client = Client()

    async def work() -> None:
        with Departure(client.receive):
            await asyncio.sleep(30)

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
