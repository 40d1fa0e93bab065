"""An answer comes back in either form, whichever it was given in."""

from __future__ import annotations

import orjson
import pytest

from llmlab.cache.manager import CachedAnswer
from llmlab.cache.replay import settle, stream, whole
from llmlab.errors import EngineError
from llmlab.protocol import sse
from llmlab.protocol.openai_answers import ChunkWriter
from llmlab.types import Chunk, Operation, ToolCallDelta, Usage

TEXT = [Chunk("Hel"), Chunk("lo"), Chunk(finish_reason="stop"), Chunk(usage=Usage(3, 2, 1))]
CALL = [
    Chunk(tool_calls=(ToolCallDelta(0, "c1", "add", '{"a"'),)),
    Chunk(tool_calls=(ToolCallDelta(0, arguments=": 1}"),)),
    Chunk(finish_reason="tool_calls"),
    Chunk(usage=Usage(3, 2)),
]


def recorded(
    chunks: list[Chunk], operation: Operation = "chat", *, usage: bool = True
) -> CachedAnswer:
    writer = ChunkWriter("m", operation, include_usage=usage)
    events = b"".join(sse.frame(event) for chunk in chunks for event in writer.payloads(chunk))
    return CachedAnswer(events + sse.DONE, stream=True, node="box")


def events_of(body: bytes) -> list[dict[str, object]]:
    *events, done, rest = body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [orjson.loads(event.removeprefix(b"data: ")) for event in events]


@pytest.mark.parametrize("operation", ["chat", "completion"])
def test_stream_to_whole_and_back(operation: Operation) -> None:
    kept = settle(recorded(TEXT, operation))
    assert kept is not None
    assert (kept.stream, kept.node) == (False, "box")
    body = orjson.loads(whole(kept))
    choice = body["choices"][0]
    text = choice["text"] if operation == "completion" else choice["message"]["content"]
    assert (text, choice["finish_reason"]) == ("Hello", "stop")
    assert body["usage"]["total_tokens"] == 5

    events = events_of(stream(kept, include_usage=True))
    assert {event["id"] for event in events} == {body["id"]}
    assert {event["created"] for event in events} == {body["created"]}
    assert [event["choices"] for event in events][-1] == []
    assert events[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 1}
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    again = settle(CachedAnswer(stream(kept, include_usage=True), stream=True))
    assert again is not None
    assert orjson.loads(again.body) == body


def test_tool_calls_survive() -> None:
    kept = settle(recorded(CALL))
    assert kept is not None
    events = events_of(stream(kept, include_usage=False))
    assert all("usage" not in event for event in events)
    delta = events[0]["choices"][0]["delta"]
    assert delta["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1}'}
    assert orjson.loads(kept.body)["choices"][0]["message"]["content"] is None


def test_a_recorded_stream_is_replayed_too() -> None:
    events = events_of(stream(recorded(TEXT), include_usage=False))
    assert [event["choices"][0]["delta"].get("content") for event in events] == ["Hel", "lo", None]


MIXED = [
    Chunk("a"),
    Chunk(reasoning="hm"),
    Chunk("b"),
    Chunk("c", logprobs={"content": [{"token": "c"}]}),
    Chunk("B", index=1),
    Chunk("d"),
    Chunk(finish_reason="stop"),
    Chunk(finish_reason="stop", index=1),
]


def test_everything_beside_text_survives() -> None:
    kept = settle(recorded(MIXED))
    assert kept is not None
    first, second = orjson.loads(kept.body)["choices"]
    assert first["message"]["content"] == "abcd"
    assert first["message"]["reasoning_content"] == "hm"
    assert first["logprobs"] == {"content": [{"token": "c"}]}
    assert (second["index"], second["message"]["content"]) == (1, "B")


def test_events_that_are_json_only_together_are_refused() -> None:
    body = b'data: {"choices": [\n\ndata: 5]}\n\ndata: [DONE]\n\n'
    assert settle(CachedAnswer(body, stream=True)) is None


@pytest.mark.parametrize(
    "answer",
    [
        CachedAnswer(b""),
        CachedAnswer(b"", stream=True),
        CachedAnswer(b"[]"),
        CachedAnswer(b"{}"),
        CachedAnswer(b"rubbish"),
        CachedAnswer(b'{"choices": []}'),
        CachedAnswer(b'{"choices": [5]}'),
        CachedAnswer(b'{"error": {"message": "no"}}'),
        CachedAnswer(b'data: {"error": {"message": "no"}}\n\ndata: [DONE]\n\n', stream=True),
        CachedAnswer(b"data: 5\n\ndata: [DONE]\n\n", stream=True),
        CachedAnswer(recorded(TEXT).body.removesuffix(sse.DONE), stream=True),
        recorded([Chunk("Hel")]),
        recorded([Chunk("Hel"), Chunk(finish_reason="length")]),
        CachedAnswer(orjson.dumps({"choices": [{"text": "a", "finish_reason": "length"}]})),
    ],
)
def test_what_must_not_be_kept(answer: CachedAnswer) -> None:
    assert settle(answer) is None


def test_a_cut_off_stream_is_an_error() -> None:
    with pytest.raises(EngineError):
        whole(CachedAnswer(b"data: {}\n\n", stream=True))
