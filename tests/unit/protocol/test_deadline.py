"""Deadlines end the block, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from llmlab.protocol.deadline import Deadline


async def test_a_block_that_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError), Deadline(0.01):
        await asyncio.sleep(30)
    await asyncio.sleep(0)  # the cancellation does not linger


async def test_a_block_in_time_is_left_alone() -> None:
    with Deadline(30):
        await asyncio.sleep(0)


async def test_errors_of_the_block_pass() -> None:
    with pytest.raises(ValueError, match="mine"), Deadline(30):
        raise ValueError("mine")


async def test_a_cancellation_from_elsewhere_passes() -> None:
    async def work() -> None:
        with Deadline(30):
            await asyncio.sleep(30)

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_deadlines_nest() -> None:
    with Deadline(30):
        with pytest.raises(TimeoutError), Deadline(0.01):
            await asyncio.sleep(30)
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError), Deadline(0.01), Deadline(30):
        await asyncio.sleep(30)
