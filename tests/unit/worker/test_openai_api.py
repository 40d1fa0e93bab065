"""The OpenAI routes of a worker, as the official package and as bytes on the wire see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import orjson
import pytest

from llmlab.testing import Reply, ScriptedServer
from llmlab.types import ToolCall
from llmlab.worker import responses
from llmlab.worker.service import Worker

MESSAGES: Any = [{"role": "user", "content": "hi"}]
CHAT = {"model": "m", "messages": MESSAGES}


@pytest.fixture
async def package(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=url + "/v1", api_key="lab-test-key", max_retries=0
    ) as package:
        yield package


async def test_package_chat(package: openai.AsyncOpenAI) -> None:
    answer = await package.chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello dear world"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "m"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 3


@pytest.mark.parametrize("usage", [True, False])
async def test_package_chat_stream(package: openai.AsyncOpenAI, usage: bool) -> None:
    for _ in ("miss", "hit"):
        stream = await package.chat.completions.create(
            model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": usage}
        )
        events = [event async for event in stream]
        text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
        assert text == "Hello dear world"
        assert events[0].choices[0].delta.role == "assistant"
        assert len({event.id for event in events}) == 1
        assert (events[-1].usage is not None) == usage
        ends = [event.choices[0].finish_reason for event in events if event.choices]
        assert ends[-1] == "stop"
        assert set(ends[:-1]) == {None}


async def test_package_tools(package: openai.AsyncOpenAI, scripted: ScriptedServer) -> None:
    scripted.follow(Reply(tool_calls=(ToolCall("c1", "add", '{"a": 1}'),)))
    tools: Any = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    answer = await package.chat.completions.create(model="m", messages=MESSAGES, tools=tools)
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.id, call.function.name, call.function.arguments) == ("c1", "add", '{"a": 1}')
    async with package.chat.completions.stream(
        model="m", messages=MESSAGES, tools=tools, seed=1
    ) as stream:
        final = await stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert call.function.name == "add"


async def test_package_completion(package: openai.AsyncOpenAI) -> None:
    answer = await package.completions.create(model="m", prompt="hi")
    assert answer.choices[0].text == "Hello dear world"
    assert answer.object == "text_completion"
    stream = await package.completions.create(model="m", prompt="hi", stream=True)
    assert "".join([event.choices[0].text async for event in stream]) == "Hello dear world"


async def test_package_embeddings(package: openai.AsyncOpenAI) -> None:
    packed = await package.embeddings.create(model="m", input=["a", "b"])
    plain = await package.embeddings.create(model="m", input="a", encoding_format="float")
    assert [entry.index for entry in packed.data] == [0, 1]
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, rel=1e-6)
    assert packed.data[0].embedding != packed.data[1].embedding
    assert packed.usage.prompt_tokens == 2


async def test_package_models(package: openai.AsyncOpenAI) -> None:
    assert "m" in [model.id async for model in package.models.list()]
    assert (await package.models.retrieve("m")).owned_by == "box"


async def test_package_errors(package: openai.AsyncOpenAI, url: str) -> None:
    with pytest.raises(openai.NotFoundError, match="There are") as missing:
        await package.chat.completions.create(model="nope", messages=MESSAGES)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as wrong:
        await package.chat.completions.create(model="m", messages=MESSAGES, temperature=9)
    assert wrong.value.param == "temperature"
    stranger = openai.AsyncOpenAI(base_url=url + "/v1", api_key="lab-wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        await stranger.models.list()
    await stranger.close()


async def test_headers_tell_where_it_came_from(
    client: httpx.AsyncClient, node: httpx.AsyncClient
) -> None:
    runs = set()
    for expected in ("miss", "hit"):
        answer = await client.post("/v1/chat/completions", json=CHAT)
        assert answer.headers["x-llmlab-node"] == "box"
        assert answer.headers["x-llmlab-cache"] == expected
        runs.add(answer.headers["x-llmlab-run"])
    assert len(runs) == 2
    # A node has asked the lab's cache before, and its run has an id already.
    run = {"x-llmlab-run": "run_1"}
    for _ in range(2):
        answer = await node.post("/v1/chat/completions", json=CHAT, headers=run)
        assert answer.headers["x-llmlab-cache"] == "miss"
        assert answer.headers["x-llmlab-run"] == "run_1"


async def test_what_does_not_come_from_the_cache(client: httpx.AsyncClient) -> None:
    await client.post("/v1/chat/completions", json=CHAT)
    changes: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({"cache": False}, {}),
        ({}, {"cache-control": "no-store"}),
        ({}, {"cache-control": "no-cache"}),
        ({"n": 2}, {}),
        ({"temperature": 0.5}, {}),
        ({"messages": [{"role": "user", "content": "ho"}]}, {}),
    ]
    for change, headers in changes:
        again = await client.post("/v1/chat/completions", json=CHAT | change, headers=headers)
        assert again.headers["x-llmlab-cache"] == "miss"


async def test_bad_answers_are_not_kept(
    client: httpx.AsyncClient, scripted: ScriptedServer, worker: Worker
) -> None:
    for reply in (
        Reply("one two", finish_reason="length"),
        Reply("one two", fault="error", after=1),
        Reply("one two", fault="close", after=1),
        Reply("one two", fault="truncate", after=1),
        Reply(status=500),
    ):
        scripted.follow(reply)
        for stream in (True, False):
            await client.post("/v1/chat/completions", json=CHAT | {"stream": stream})
            assert worker.cache.get_stats().entries == 0


async def test_equal_requests_share_one_generation(
    client: httpx.AsyncClient, scripted: ScriptedServer, worker: Worker
) -> None:
    scripted.follow(Reply("one two three", first_delay=0.2))
    bodies = [CHAT | {"stream": stream} for stream in (True, False, True, False)]
    answers = await asyncio.gather(
        *(client.post("/v1/chat/completions", json=body) for body in bodies)
    )
    for body, answer in zip(bodies, answers, strict=True):
        assert answer.status_code == 200
        assert answer.text.endswith("data: [DONE]\n\n") == body["stream"]
    assert [request.path for request in scripted.requests].count("/v1/chat/completions") == 1
    assert worker.cache.get_stats().coalesced == 3


async def test_an_error_in_mid_stream_is_an_event(
    client: httpx.AsyncClient, scripted: ScriptedServer, package: openai.AsyncOpenAI
) -> None:
    scripted.follow(Reply("one two three", fault="close", after=2))
    answer = await client.post("/v1/chat/completions", json=CHAT | {"stream": True})
    *events, last, rest = answer.text.split("\n\n")
    assert (answer.status_code, len(events), rest) == (200, 2, "")
    error = orjson.loads(last.removeprefix("data: "))["error"]
    assert error["code"] == "engine_error"
    stream = await package.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError, match=r"lost|ended"):
        _ = [event async for event in stream]


@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_before_the_first_token_has_a_status(
    client: httpx.AsyncClient, scripted: ScriptedServer, stream: bool
) -> None:
    scripted.follow(Reply(status=400, message="too long", code="context_length_exceeded"))
    answer = await client.post("/v1/chat/completions", json=CHAT | {"stream": stream})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/inference"])
@pytest.mark.parametrize("key", ["lab-test-key", "node-test-secret"])
async def test_a_client_that_leaves_stops_the_generation(
    url: str, scripted: ScriptedServer, path: str, stream: bool, key: str
) -> None:
    scripted.follow(Reply("one two three " * 1000, delay=0.02))
    body = CHAT | {"stream": stream, "prompt": "hi"}
    if path == "/v1/completions":
        body.pop("messages")
    async with httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"Bearer {key}"}
    ) as leaver:
        asking = asyncio.create_task(leaver.post(path, json=body))
        await scripted.until(lambda server: server.active == 1)
        asking.cancel()
        await asyncio.wait([asking])
        await scripted.until(lambda server: server.cancelled == 1, timeout=1)
        assert scripted.active == 0


async def test_one_of_two_may_leave(
    url: str, client: httpx.AsyncClient, scripted: ScriptedServer
) -> None:
    scripted.follow(Reply("one two three", delay=0.1))
    leaver = asyncio.create_task(client.post("/v1/chat/completions", json=CHAT))
    await scripted.until(lambda server: server.active == 1)
    stayer = asyncio.create_task(client.post("/v1/chat/completions", json=CHAT))
    await asyncio.sleep(0.05)
    leaver.cancel()
    answer = await stayer
    assert answer.json()["choices"][0]["message"]["content"] == "one two three"
    assert scripted.cancelled == 0


async def test_a_silent_stream_is_kept_open_by_comments(
    client: httpx.AsyncClient, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "FIRST_COMMENT", 0.05)
    monkeypatch.setattr(responses, "NEXT_COMMENT", 0.05)
    scripted.follow(Reply("one two", first_delay=0.3))
    answer = await client.post("/v1/chat/completions", json=CHAT | {"stream": True})
    assert answer.text.startswith(": ")
    assert answer.text.count(": the model is being loaded") >= 2
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("changes", [{"request_timeout": 0.3}])
async def test_a_deadline_ends_an_endless_answer(
    client: httpx.AsyncClient, scripted: ScriptedServer
) -> None:
    scripted.follow(Reply("one two", fault="hang", after=1))
    answer = await client.post("/v1/chat/completions", json=CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
    streamed = await client.post("/v1/chat/completions", json=CHAT | {"stream": True})
    assert streamed.status_code == 200
    assert "deadline_exceeded" in streamed.text


@pytest.mark.parametrize("changes", [{"cache_enabled": False}])
async def test_without_a_cache(client: httpx.AsyncClient) -> None:
    for path, body in (("/v1/chat/completions", CHAT), ("/inference", {"prompt": "hi"})):
        for _ in range(2):
            answer = await client.post(path, json=body)
            assert answer.headers["x-llmlab-cache"] == "miss"


BAD_BODIES: list[bytes] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"model": NaN}',
    b'{"model": "m"}',
    b'{"model": "m", "messages": []}',
    b'{"model": "m", "messages": "hi"}',
    b'{"model": "m", "messages": [{}]}',
    b'{"model": "m", "messages": [{"role": "pope", "content": "hi"}]}',
    b'{"model": 5, "messages": [{"role": "user", "content": "hi"}]}',
    b'{"model": "", "messages": [{"role": "user", "content": "hi"}]}',
    b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": "1"}',
    b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 1e999}',
    b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 0}',
    b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": "yes"}',
    b'{"model": "\\ud800", "messages": [{"role": "user", "content": "hi"}]}',
]
POST_ROUTES = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/inference",
    "/models/load",
]


# What a load names may be fine where a chat's body is not.
@pytest.mark.parametrize("path", POST_ROUTES)
async def test_rubbish_gets_a_400_in_the_one_shape(client: httpx.AsyncClient, path: str) -> None:
    for body in BAD_BODIES:
        answer = await client.post(path, content=body)
        if path == "/models/load" and b'"model": ' in body:
            assert answer.status_code in (200, 400, 404), body[:100]
        else:
            assert answer.status_code == 400, (body[:100], answer.text)
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "code", "param"}
            assert len(error["message"]) < 1000


async def test_wrong_routes(client: httpx.AsyncClient) -> None:
    for method, path, status, code in [
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/v1/models/nothing", 404, "model_not_found"),
        ("DELETE", "/cache/m?force=maybe", 400, "invalid_request"),
        ("GET", "/%00%ff/..%2f", 404, "not_found"),
    ]:
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_too_large_bodies(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/chat/completions", content=b"x" * 1_100_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_a_body_needs_no_content_type(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "text/plain"}
    for path in ("/v1/chat/completions", "/inference"):
        body = orjson.dumps(CHAT | {"prompt": "hi"})
        assert (await client.post(path, content=body, headers=headers)).status_code == 200


async def test_embeddings_that_cannot_be(client: httpx.AsyncClient) -> None:
    for change, status in [
        ({"input": []}, 400),
        ({"input": [1, 2]}, 400),
        ({"input": [[1]]}, 400),
        ({"dimensions": 5}, 400),
        ({"model": "nope"}, 404),
    ]:
        answer = await client.post("/v1/embeddings", json={"model": "m", "input": "a"} | change)
        assert answer.status_code == status
        assert answer.json()["error"]["param"] in ("input", "dimensions", "model")
