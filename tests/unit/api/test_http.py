"""What is written in one round of the loop is sent at once, and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from llmlab.api.http import MOST_WAITING, MergingTransport


class Sink:
    """A transport that notes what reaches it."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.sent.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.fixture
async def sink() -> Sink:
    return Sink()


@pytest.fixture
async def transport(sink: Sink) -> MergingTransport:
    return MergingTransport(cast("Any", sink), asyncio.get_running_loop())


async def test_writes_of_one_round_are_one(sink: Sink, transport: MergingTransport) -> None:
    transport.write(b"head ")
    transport.writelines([b"bo", b"dy"])
    assert sink.sent == []
    await asyncio.sleep(0)
    transport.write(b"more")
    await asyncio.sleep(0)
    assert sink.sent == [b"head body", b"more"]


async def test_closing_sends_what_waits_first(sink: Sink, transport: MergingTransport) -> None:
    transport.write(b"last")
    transport.close()
    await asyncio.sleep(0)
    assert sink.sent == [b"last"]
    assert transport.is_closing()


async def test_much_is_sent_at_once(sink: Sink, transport: MergingTransport) -> None:
    transport.write(b"x" * MOST_WAITING)
    transport.write(b"y")
    assert len(sink.sent) == 1
    await asyncio.sleep(0)
    assert len(sink.sent) == 1


async def test_a_client_that_has_gone_is_sent_nothing(
    sink: Sink, transport: MergingTransport
) -> None:
    transport.write(b"late")
    sink.closed = True
    await asyncio.sleep(0)
    assert sink.sent == []
