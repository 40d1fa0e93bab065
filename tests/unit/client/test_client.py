"""The client against answers that a transport gives."""

from __future__ import annotations

import json

import httpx
import pytest

from llmlab.client import LabClient
from llmlab.errors import (
    AuthenticationError,
    DeadlineError,
    EngineError,
    ModelNotFoundError,
    NodeUnreachableError,
    UnavailableError,
)
from llmlab.events import RunDone, RunStarted, TokenMade
from llmlab.protocol.lab import ChatBody, InferenceBody, LoadBody

RUN = {"type": "run", "run_id": "run_1", "session_id": "s1"}
DONE = {"type": "done", "run_id": "run_1", "answer": "1675"}
CHAT = {"answer": "1675", "run_id": "run_1", "plan": [], "steps": [], "usage": {}}


def client_of(
    answer: httpx.Response | Exception, seen: list[httpx.Request] | None = None
) -> LabClient:
    def handle(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return LabClient("http://lab:8000/", "the-key", transport=httpx.MockTransport(handle))


def test_a_question_carries_the_key_and_gives_the_answer() -> None:
    seen: list[httpx.Request] = []
    with client_of(httpx.Response(200, json=CHAT), seen) as client:
        assert client.chat(ChatBody(message="25 * 67?", stream=True)).answer == "1675"
    assert seen[0].url == "http://lab:8000/chat"
    assert seen[0].headers["authorization"] == "Bearer the-key"
    assert json.loads(seen[0].content) == {
        "message": "25 * 67?",
        "stream": False,
        "dry_run": False,
        "cache": True,
    }


def test_events_come_one_by_one_and_comments_are_skipped() -> None:
    frames = [RUN, {"type": "token", "text": "16"}, {"type": "token", "text": "75"}, DONE]
    text = ": loading\n\n" + "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames)
    answer = httpx.Response(200, text=text + "data: [DONE]\n\n")
    with client_of(answer) as client, client.chat_stream(ChatBody(message="?")) as events:
        kinds = [type(event) for event in events]
    assert kinds == [RunStarted, TokenMade, TokenMade, RunDone]


def test_an_event_that_nobody_knows_is_an_error() -> None:
    answer = httpx.Response(200, text='data: {"type": "tea"}\n\n')
    with (
        client_of(answer) as client,
        pytest.raises(EngineError, match="not understood"),
        client.chat_stream(ChatBody(message="?")) as events,
    ):
        list(events)


def test_a_refused_stream_raises_the_labs_error() -> None:
    answer = httpx.Response(
        503,
        json={"error": {"message": "No node.", "code": "unavailable"}},
        headers={"retry-after": "7"},
    )
    with (
        client_of(answer) as client,
        pytest.raises(UnavailableError, match="No node") as refused,
        client.chat_stream(ChatBody(message="?")),
    ):
        pass
    assert refused.value.retry_after == 7


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(401, "invalid_api_key", AuthenticationError), (404, "model_not_found", ModelNotFoundError)],
)
def test_errors_come_back_as_they_were_raised(
    status: int, code: str, expected: type[Exception]
) -> None:
    answer = httpx.Response(status, json={"error": {"message": "No.", "code": code}})
    with client_of(answer) as client, pytest.raises(expected, match="No"):
        client.inference(InferenceBody(prompt="Hello"))


@pytest.mark.parametrize(
    ("fault", "expected", "words"),
    [
        (httpx.ConnectError("refused"), NodeUnreachableError, "llmlab up"),
        (httpx.ReadTimeout("slow"), DeadlineError, "in time"),
        (httpx.RemoteProtocolError("cut"), NodeUnreachableError, "cut"),
    ],
)
def test_faults_of_the_network_say_what_to_do(
    fault: Exception, expected: type[Exception], words: str
) -> None:
    with client_of(fault) as client, pytest.raises(expected, match=words):
        client.health()


@pytest.mark.parametrize("body", ["<html>", "[]", '{"unrelated": 1}'])
def test_an_answer_of_another_program_is_told_apart(body: str) -> None:
    with client_of(httpx.Response(200, text=body)) as client, pytest.raises(EngineError):
        client.cache_stats()
    with client_of(httpx.Response(200, text=body)) as client, pytest.raises(EngineError):
        client.nodes()


def test_names_of_models_travel_escaped() -> None:
    seen: list[httpx.Request] = []
    with client_of(httpx.Response(200, json={"unloaded": ["a/b c"]}), seen) as client:
        assert client.unload("a/b c?").unloaded == ["a/b c"]
        assert client.unload_all().unloaded == ["a/b c"]
    assert [request.url.raw_path for request in seen] == [b"/cache/a/b%20c%3F", b"/cache/clear"]


def test_loading_returns_what_was_loaded() -> None:
    entry = {
        "model": "m",
        "strategy": "standard",
        "engine": "llama_cpp",
        "memory_bytes": 5,
        "in_flight": 0,
        "loaded_at": 1.0,
        "last_used": 1.0,
        "load_time_sec": 0.2,
    }
    with client_of(httpx.Response(200, json=entry)) as client:
        assert client.load(LoadBody(model="m")).memory_bytes == 5


def test_lists_are_read() -> None:
    seen: list[httpx.Request] = []
    with client_of(
        httpx.Response(200, json={"runs": [{"id": "run_1"}], "tasks": []}), seen
    ) as client:
        assert client.runs(limit=3) == [{"id": "run_1"}]
        assert client.tasks() == []
    assert seen[0].url.query == b"limit=3"
