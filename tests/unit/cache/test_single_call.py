"""Equal requests for a whole answer share one call, which lives as long as somebody wants it."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from llmlab.cache.single_call import SingleCall
from llmlab.errors import EngineError, InvalidRequestError


async def test_whole_answers_are_shared_and_stopped() -> None:
    calls_now: SingleCall[str] = SingleCall()
    go, calls, stopped = asyncio.Event(), [], []

    async def make() -> str:
        calls.append(1)
        try:
            await go.wait()
        except asyncio.CancelledError:
            stopped.append(1)
            raise
        return "answer"

    waiting = [asyncio.create_task(calls_now.run("k", make)) for _ in range(3)]
    while not calls:
        await asyncio.sleep(0)
    waiting[0].cancel()
    go.set()
    results = await asyncio.gather(*waiting[1:])
    assert sorted(results) == [("answer", True), ("answer", True)]
    assert len(calls) == 1

    go.clear()
    left = asyncio.create_task(calls_now.run("k", make))
    while len(calls) == 1:
        await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait([left])
    assert stopped == [1]
    assert len(calls_now) == 0


async def test_errors_reach_all_with_a_short_trace() -> None:
    calls: SingleCall[str] = SingleCall()
    go = asyncio.Event()

    async def make() -> str:
        await go.wait()
        raise InvalidRequestError("No.")

    waiting = [asyncio.create_task(calls.run("k", make)) for _ in range(20)]
    await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, InvalidRequestError) for result in results)
    last = results[-1]
    assert isinstance(last, InvalidRequestError)
    assert len(traceback.extract_tb(last.__traceback__)) < 10
    assert len(calls) == 0


async def test_the_next_request_starts_anew() -> None:
    calls: SingleCall[int] = SingleCall()
    count = 0

    async def make() -> int:
        nonlocal count
        count += 1
        await asyncio.sleep(0)
        return count

    assert await calls.run("k", make) == (1, False)
    assert await calls.run("k", make) == (2, False)


async def test_sharing_is_told() -> None:
    told: list[int] = []
    calls: SingleCall[str] = SingleCall(on_shared=lambda: told.append(1))

    async def make() -> str:
        await asyncio.sleep(0)
        return "x"

    results = await asyncio.gather(*(calls.run("k", make) for _ in range(3)))
    assert [shared for _, shared in results] == [False, True, True]
    assert told == [1, 1]


async def test_closing_stops_all_and_tells_those_who_wait() -> None:
    calls: SingleCall[str] = SingleCall()
    waiting = [asyncio.create_task(calls.run(key, asyncio.Event().wait)) for key in "ab"]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await calls.aclose()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, EngineError) for result in results)
    assert len(calls) == 0


async def test_who_is_cancelled_before_the_call_began_leaves_nothing() -> None:
    calls: SingleCall[str] = SingleCall()

    async def make() -> str:
        return "x"

    first = asyncio.create_task(calls.run("k", make))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(calls) == 0
