"""Equal requests share one generation, which lives as long as somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from llmlab.cache.single_flight import SingleFlight, Subscription
from llmlab.errors import EngineError


class Source:
    """A generation that gives a piece each time it is let."""

    def __init__(self) -> None:
        self.starts = 0
        self.closed = 0
        self.let: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    async def __call__(self) -> AsyncIterator[bytes]:
        self.starts += 1
        try:
            while (piece := await self.let.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed += 1


async def read(subscription: Subscription[bytes]) -> bytes:
    async with subscription:
        return b"".join([piece async for piece in subscription])


async def test_all_get_all_bytes_of_one_generation() -> None:
    source, shared = Source(), []
    flights: SingleFlight[bytes] = SingleFlight(on_shared=lambda: shared.append(1))
    kept: list[Sequence[bytes]] = []
    first = flights.join("k", source, on_complete=kept.append)
    source.let.put_nowait(b"a")
    assert await anext(first) == b"a"
    second = flights.join("k", source)
    other = flights.join("other", source)
    await other.aclose()
    assert (first.shared, second.shared, len(shared)) == (False, True, 1)
    readers = [asyncio.create_task(read(each)) for each in (first, second)]
    for piece in (b"b", b"c", None):
        source.let.put_nowait(piece)
    assert await asyncio.gather(*readers) == [b"bc", b"abc"]
    assert kept == [[b"a", b"b", b"c"]]
    assert (source.starts, source.closed, len(flights)) == (1, 1, 0)


async def test_goes_on_when_the_first_leaves() -> None:
    source = Source()
    flights: SingleFlight[bytes] = SingleFlight()
    first = asyncio.create_task(read(flights.join("k", source)))
    second = flights.join("k", source)
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.let.put_nowait(b"a")
    source.let.put_nowait(None)
    assert await read(second) == b"a"


async def test_stops_when_the_last_leaves() -> None:
    source = Source()
    flights: SingleFlight[bytes] = SingleFlight()
    kept: list[Sequence[bytes]] = []
    readers = [
        asyncio.create_task(read(flights.join("k", source, on_complete=kept.append)))
        for _ in range(3)
    ]
    while not source.starts:
        await asyncio.sleep(0)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    assert (source.closed, len(flights), kept) == (1, 0, [])
    again = flights.join("k", source)
    source.let.put_nowait(None)
    assert await read(again) == b""
    assert source.starts == 2


async def test_errors_reach_all() -> None:
    source = Source()
    flights: SingleFlight[bytes] = SingleFlight()
    kept: list[Sequence[bytes]] = []
    readers = [
        asyncio.create_task(read(flights.join("k", source, on_complete=kept.append)))
        for _ in range(3)
    ]
    source.let.put_nowait(b"a")
    source.let.put_nowait(EngineError("broke"))
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert [str(result) for result in results] == ["broke"] * 3
    assert (len(flights), kept) == (0, [])


async def test_an_endless_answer_is_stopped() -> None:
    source = Source()
    flights: SingleFlight[bytes] = SingleFlight(max_size=10)
    for _ in range(3):
        source.let.put_nowait(b"xxxxx")
    with pytest.raises(EngineError, match="stopped"):
        await read(flights.join("k", source))
    assert source.closed == 1


async def test_closing_ends_everything() -> None:
    source = Source()
    flights: SingleFlight[bytes] = SingleFlight()
    started = asyncio.create_task(read(flights.join("k", source)))
    while not source.starts:
        await asyncio.sleep(0)
    fresh = asyncio.create_task(read(flights.join("l", source)))
    await flights.aclose()
    results = await asyncio.gather(started, fresh, return_exceptions=True)
    assert all(isinstance(result, EngineError) for result in results)
    assert len(flights) == 0
