"""Work for a client ends when the client leaves."""

from __future__ import annotations

import asyncio

import pytest

from llmlab.protocol.access import Event
from llmlab.protocol.connection import while_connected


class Client:
    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.chatter = 2

    async def receive(self) -> Event:
        if self.chatter:
            self.chatter -= 1
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}


async def test_gives_what_the_work_returns() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 5

    assert await while_connected(Client().receive, work()) == 5


async def test_raises_what_the_work_raises() -> None:
    async def work() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await while_connected(Client().receive, work())


async def test_stops_and_waits_for_the_work() -> None:
    client, cleaned = Client(), []

    async def work() -> int:
        try:
            client.left.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)
        return 5

    assert await while_connected(client.receive, work()) is None
    assert cleaned == [True]


async def test_a_mistake_while_cleaning_up_is_not_hidden() -> None:
    client = Client()

    async def work() -> None:
        try:
            client.left.set()
            await asyncio.Event().wait()
        finally:
            raise ValueError("while cleaning")

    with pytest.raises(ValueError, match="while cleaning"):
        await while_connected(client.receive, work())


async def test_ends_with_who_waits_for_it() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(while_connected(Client().receive, work()))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert ended.is_set()
