"""What a client sees of a stream, however the bytes are cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import orjson
import pytest

from llmlab.cluster.calls import Piece, Reply
from llmlab.cluster.streams import ChunkStream, ShownEvents
from llmlab.errors import EngineError
from llmlab.types import Usage

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


async def pieces_of(pieces: Iterable[Piece]) -> AsyncIterator[Piece]:
    for piece in pieces:
        yield piece


async def shown(pieces: Iterable[Piece], *, with_usage: bool = False) -> bytes:
    events = ShownEvents(pieces_of(pieces), with_usage=with_usage)
    return b"".join([piece async for piece in events])


@pytest.mark.parametrize("size", [1, 2, 7, 30, 64, 1000])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
async def test_the_usage_event_is_left_out_however_it_is_cut(size: int, newline: bytes) -> None:
    stream = (TEXT + USAGE + DONE).replace(b"\n", newline)
    cut = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert await shown(cut) == (TEXT + DONE).replace(b"\n", newline)


async def test_a_line_without_an_end_is_not_collected_for_ever() -> None:
    endless = [b"data: " + b"x" * 600_000, b"x" * 600_000, b"x"]
    events = ShownEvents(pieces_of(endless), with_usage=False)
    assert len(await anext(events)) > 1_000_000


async def test_a_client_that_asked_gets_every_byte() -> None:
    assert await shown([TEXT + USAGE, DONE], with_usage=True) == TEXT + USAGE + DONE


async def test_events_without_choices_that_are_no_usage_stay() -> None:
    note = b'data: {"choices":[],"note":"filtered"}\n\n'
    assert await shown([note, TEXT, DONE]) == note + TEXT + DONE


async def test_an_event_that_never_ends_is_passed_on_at_the_end() -> None:
    assert await shown([TEXT, b'data: {"choices":[]']) == TEXT + b'data: {"choices":[]'


async def test_token_counts_come_with_the_pieces() -> None:
    events = ShownEvents(pieces_of([TEXT, Usage(1, 2), DONE]), with_usage=False)
    assert [piece async for piece in events] == [TEXT, DONE]
    assert events.usage == Usage(1, 2)


def a_reply(*pieces: bytes, closed: list[bool] | None = None) -> Reply:
    async def closing() -> None:
        if closed is not None:
            closed.append(True)

    events = ShownEvents(pieces_of(pieces), with_usage=True)
    return Reply("node", cache_hit=False, pieces=events, closing=closing)


async def test_chunks_of_a_reply() -> None:
    closed: list[bool] = []
    chunks = [chunk async for chunk in ChunkStream(a_reply(TEXT, USAGE, DONE, closed=closed))]
    assert [chunk.text for chunk in chunks] == ["hi", ""]
    assert chunks[-1].usage == Usage(1, 2)
    assert closed == [True]


async def test_chunks_of_a_stored_reply() -> None:
    stream = ChunkStream(Reply("node", cache_hit=True, body=TEXT + DONE))
    assert [chunk.text async for chunk in stream] == ["hi"]


async def test_closing_chunks_that_were_never_begun_closes_the_reply() -> None:
    closed: list[bool] = []
    stream = ChunkStream(a_reply(TEXT, closed=closed))
    await stream.aclose()
    await stream.aclose()
    assert closed == [True]
    assert [chunk async for chunk in stream] == []


async def test_an_error_in_the_stream_is_raised() -> None:
    body = orjson.dumps({"error": {"message": "It broke.", "code": "engine_error"}})
    stream = ChunkStream(a_reply(TEXT, b"data: " + body + b"\n\n"))
    assert (await anext(stream)).text == "hi"
    with pytest.raises(EngineError, match="It broke"):
        await anext(stream)
    await stream.aclose()
