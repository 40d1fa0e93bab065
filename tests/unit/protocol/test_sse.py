"""Server-sent events, however the network cuts them."""

from hypothesis import given
from hypothesis import strategies as some

from llmlab.protocol import sse


async def read(pieces):
    async def stream():
        for piece in pieces:
            yield piece

    return [payload async for payload in sse.payloads(stream())]


@given(
    some.lists(some.binary(min_size=1).filter(lambda data: not set(data) & {10, 13}), max_size=5),
    some.integers(1, 7),
)
async def test_payloads_come_back_however_they_are_cut(payloads, size):
    wire = b"".join(map(sse.frame, payloads))
    pieces = [wire[start : start + size] for start in range(0, len(wire), size)]
    assert await read(pieces) == payloads


async def test_comments_other_fields_and_carriage_returns_are_no_data():
    wire = b": ping\r\n\r\nevent: x\r\nid: 1\r\ndata: one\r\ndata: two\r\n\r\ndata:three\n\n"
    assert await read([wire]) == [b"one\ntwo", b"three"]


async def test_an_event_cut_off_by_the_end_is_dropped():
    assert await read([b"data: whole\n\ndata: par"]) == [b"whole"]
