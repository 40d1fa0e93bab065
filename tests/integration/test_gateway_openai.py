"""OpenAI's routes through the whole gateway, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from tests.integration.labs import KEY, Lab, running_lab

from llmlab.testing import Reply, ScriptedServer
from llmlab.types import ToolCall


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(models=["m", "n"], replies=[Reply("Hello dear world")]) as server:
        yield server


@pytest.fixture
async def lab(tmp_path: Path, server: ScriptedServer) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path, external_nodes=[server.url], max_body_mb=0.1) as lab:
        await lab.until_served("m")
        yield lab


MESSAGES: Any = [{"role": "user", "content": "hi"}]


async def test_the_openai_package_talks_to_it(lab: Lab, server: ScriptedServer) -> None:
    async with openai.AsyncOpenAI(base_url=f"{lab.url}/v1", api_key=KEY, max_retries=0) as client:
        listed = [model.id async for model in client.models.list()]
        assert listed == ["m", "n"]
        assert (await client.models.retrieve("n")).id == "n"
        answer = await client.chat.completions.create(model="m", messages=MESSAGES)
        assert answer.choices[0].message.content == "Hello dear world"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 3
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "again"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == (
            "Hello dear world"
        )
        assert chunks[-1].usage is not None
        completion = await client.completions.create(model="m", prompt="Once")
        assert completion.choices[0].text == "Hello dear world"
        embedded = await client.embeddings.create(model="m", input=["one", "two"])
        assert len(embedded.data) == 2
        with pytest.raises(openai.NotFoundError, match="The lab has: m, n"):
            await client.chat.completions.create(model="other", messages=MESSAGES)
    assert {request.path for request in server.requests} >= {"/v1/embeddings", "/v1/completions"}


async def test_tool_calls_pass(lab: Lab, server: ScriptedServer) -> None:
    server.follow(Reply(tool_calls=(ToolCall("call-1", "calculator", '{"expression":"1+1"}'),)))
    tool: Any = {"type": "function", "function": {"name": "calculator", "parameters": {}}}
    async with openai.AsyncOpenAI(base_url=f"{lab.url}/v1", api_key=KEY, max_retries=0) as client:
        answer = await client.chat.completions.create(model="m", messages=MESSAGES, tools=[tool])
    call: Any = (answer.choices[0].message.tool_calls or [None])[0]
    assert call.function.name == "calculator"
    assert server.requests[-1].body["tools"] == [tool]


async def test_every_answer_says_where_it_came_from(lab: Lab) -> None:
    first = await lab.chat("hi")
    second = await lab.chat("hi")
    assert first.headers["x-llmlab-cache"] == "miss"
    assert second.headers["x-llmlab-cache"] == "hit"
    assert first.headers["x-llmlab-node"] == second.headers["x-llmlab-node"]
    assert first.headers["x-llmlab-run"] != second.headers["x-llmlab-run"]
    assert first.content == second.content
    stats = (await lab.client.get("/api/cache/stats")).json()
    assert (stats["entries"], stats["hits"]) == (1, 1)
    assert (await lab.client.post("/api/v1/cache/clear")).json() == {"cleared": 1}
    third = await lab.chat("hi")
    assert third.headers["x-llmlab-cache"] == "miss"


async def test_retries_and_no_store_are_answered_anew(lab: Lab, server: ScriptedServer) -> None:
    await lab.chat("hi")
    for headers in ({"cache-control": "no-store"}, {"x-stainless-retry-count": "1"}):
        lab.client.headers.update(headers)
        assert (await lab.chat("hi")).headers["x-llmlab-cache"] == "miss"
        for name in headers:
            del lab.client.headers[name]
    seen = [request for request in server.requests if request.path == "/v1/chat/completions"]
    assert len(seen) == 3


BAD_BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "not valid JSON"),
    (b"{", 400, "not valid JSON"),
    (b"[]", 400, "JSON object"),
    (b'"text"', 400, "JSON object"),
    (b"\xff\xfe", 400, "not valid JSON"),
    (b'{"model": NaN}', 400, "not valid JSON"),
    (b"[" * 50_000, 400, "not valid JSON"),
    (b'{"messages": [{"role": "user", "content": "hi"}]}', 400, "model"),
    (b'{"model": "m"}', 400, "messages"),
    (b'{"model": "m", "messages": []}', 400, "messages"),
    (b'{"model": 5, "messages": [{"role": "user", "content": "hi"}]}', 400, "model"),
    (b'{"model": "m", "messages": "hi"}', 400, "messages"),
    (b'{"model": "m", "messages": [{"role": "king", "content": "hi"}]}', 400, "role"),
    (b'{"model": "m", "messages": [{"role": "user"}]}', 400, "content"),
    (
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": "hot"}',
        400,
        "temperature",
    ),
    (
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 3}',
        400,
        "temperature",
    ),
    (
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 0}',
        400,
        "max_tokens",
    ),
    (
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": 1}',
        400,
        "stream",
    ),
    (b'{"model": "x", "messages": [{"role": "user", "content": "hi"}]}', 404, "The lab has: m, n"),
    (
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "extra": [{"a": '
        + b"[" * 500
        + b"]" * 500
        + b"}]}",
        400,
        "nested too deeply",
    ),
    (b"x" * 200_000, 413, "over the limit"),
]


async def test_bad_input_gets_a_4xx_in_openais_shape(lab: Lab) -> None:
    for body, status, words in BAD_BODIES:
        response = await lab.client.post("/v1/chat/completions", content=body)
        assert response.status_code == status, body[:100]
        error = response.json()["error"]
        assert set(error) == {"message", "type", "code", "param"}
        assert words in error["message"], body[:100]


async def test_other_routes_refuse_bad_input_too(lab: Lab) -> None:
    for path, body in (
        ("/v1/completions", {"model": "m", "prompt": ["a", "b"]}),
        ("/v1/completions", {"model": "m"}),
        ("/v1/embeddings", {"model": "m", "input": {"a": 1}}),
        ("/inference", {"prompt": ""}),
        ("/inference", {"prompt": "x", "temperature": 9}),
        ("/api/v1/execute", {}),
        ("/chat", {"message": 5}),
        ("/api/session", {"key": ""}),
    ):
        response = await lab.client.post(path, json=body)
        assert response.status_code == 400, path
        assert response.json()["error"]["type"] == "invalid_request_error"


async def test_embeddings_are_no_stream_whatever_the_body_says(lab: Lab) -> None:
    for odd in ({"stream": True}, {"stream_options": 5}, {"n": []}, {"cache": "x"}):
        response = await lab.client.post("/v1/embeddings", json={"model": "m", "input": "x"} | odd)
        assert response.status_code == 200, odd
        assert len(response.json()["data"]) == 1


async def test_context_overflow_comes_with_the_numbers(lab: Lab, server: ScriptedServer) -> None:
    message = "This needs 9000 tokens; the context has 8192."
    server.follow(Reply(status=400, message=message, code="context_length_exceeded"))
    response = await lab.chat("long")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert "9000" in response.json()["error"]["message"]


async def test_errors_of_the_node_keep_the_shape_and_are_not_stored(
    lab: Lab, server: ScriptedServer
) -> None:
    server.follow(Reply(status=503, headers={"retry-after": "3"}), Reply("fine"))
    response = await lab.chat("hi")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "3"
    assert (await lab.chat("hi")).json()["choices"][0]["message"]["content"] == "fine"


async def test_without_a_worker_the_client_is_told_to_come_back(tmp_path: Path) -> None:
    async with running_lab(tmp_path) as lab:
        for path, body in (
            ("/v1/chat/completions", {"model": "m", "messages": MESSAGES}),
            ("/v1/embeddings", {"model": "m", "input": "x"}),
            ("/inference", {"prompt": "x"}),
            ("/api/v1/execute", {"prompt": "x"}),
            ("/api/execute", {"prompt": "x"}),
        ):
            response = await lab.client.post(path, json=body)
            assert response.status_code == 503, path
            assert int(response.headers["retry-after"]) >= 1
            assert response.json()["error"]["code"] == "no_worker"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_generation(
    lab: Lab, server: ScriptedServer, stream: bool
) -> None:
    server.follow(Reply("a very long answer that goes on", delay=0.5, first_delay=0.1))
    body = {"model": "m", "messages": MESSAGES, "stream": stream}
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {KEY}"}) as session:
        asking = asyncio.create_task(session.post(f"{lab.url}/v1/chat/completions", json=body))
        await server.until(lambda server: server.active == 1)
        if stream:
            response = await asking
            await response.content.readany()
            response.close()
        else:
            asking.cancel()
            await asyncio.wait([asking])
    await server.until(lambda server: server.cancelled == 1, timeout=2.0)
    metrics = await lab.until(
        lambda answer: (
            "499" in answer["routes"]["chat.completions"]["requests"] if answer["routes"] else False
        ),
        "/metrics?",
    )
    assert metrics["llmlab_requests_in_flight"] == 0


async def test_a_stream_that_breaks_ends_with_a_typed_error(
    lab: Lab, server: ScriptedServer
) -> None:
    server.follow(Reply("one two three", fault="close", after=1))
    async with openai.AsyncOpenAI(base_url=f"{lab.url}/v1", api_key=KEY, max_retries=0) as client:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIError, match=r"ended its answer early|cannot be reached"):
            async for _ in stream:
                pass


async def test_another_node_takes_over_before_the_first_byte(
    tmp_path: Path, server: ScriptedServer
) -> None:
    async with ScriptedServer(models=["m"], replies=[Reply(status=500)]) as broken:
        urls = [broken.url, server.url]
        async with running_lab(tmp_path, external_nodes=urls) as lab:
            await lab.until(lambda answer: len(answer["nodes"]) == 3)
            for count in range(4):
                response = await lab.chat(f"hi {count}")
                assert response.status_code == 200
            assert broken.request_count > 2


async def test_calls_are_recorded_without_being_waited_for(lab: Lab) -> None:
    asked = await lab.chat("hi")
    await lab.chat("hi")
    await lab.client.post("/v1/chat/completions", json={"model": "x", "messages": MESSAGES})
    runs = (await lab.client.get("/api/runs")).json()["runs"]
    assert [run["status"] for run in runs] == ["failed", "done", "done"]
    assert runs[0]["error_code"] == "model_not_found"
    assert [run["cache_hit"] for run in runs] == [False, True, False]
    assert runs[2]["id"] == asked.headers["x-llmlab-run"]
    assert runs[2]["usage"]["completion_tokens"] == 3
    tasks = (await lab.client.get("/api/v1/tasks")).json()["tasks"]
    assert tasks[-1]["assignee"] == asked.headers["x-llmlab-node"]


async def test_prompts_for_models_that_only_others_have(lab: Lab) -> None:
    first = await lab.client.post("/inference", json={"prompt": "hi", "max_tokens": 9})
    second = await lab.client.post("/inference", json={"prompt": "hi", "max_tokens": 9})
    record = first.json()
    assert record["output"] == "Hello dear world"
    assert record["tokens_generated"] == 3
    assert set(record) >= {
        "cache_hit",
        "load_time_sec",
        "inference_time_sec",
        "total_time_sec",
        "gpu_memory_used_gb",
        "model_name",
        "strategy",
    }
    assert second.json()["response_cached"]
    assert second.headers["x-llmlab-cache"] == "hit"
    executed = await lab.client.post("/api/v1/execute", json={"prompt": "new"})
    assert executed.json()["node"] == executed.headers["x-llmlab-node"]


async def test_an_attempt_that_fails_is_made_again_for_frontends(
    lab: Lab, server: ScriptedServer
) -> None:
    server.follow(Reply(status=502), Reply("second time"))
    response = await lab.client.post("/api/v1/execute", json={"prompt": "hi"})
    assert response.json()["output"] == "second time"


async def test_metrics_count_what_was_answered(lab: Lab) -> None:
    await lab.chat("hi")
    await lab.chat("hi")
    await lab.client.post("/v1/chat/completions", json={"model": "x", "messages": MESSAGES})
    text = (await lab.client.get("/metrics")).text
    lines = text.splitlines()
    for line in (
        'llmlab_requests_total{route="chat.completions",status="200"} 2',
        'llmlab_requests_total{route="chat.completions",status="404"} 1',
        'llmlab_completion_tokens_total{route="chat.completions"} 3',
        'llmlab_request_seconds_count{route="chat.completions"} 3',
        "llmlab_cache_hits_total 1",
        "llmlab_requests_in_flight 0",
    ):
        assert line in lines
    for line in lines:
        assert line.startswith("# TYPE llmlab_") or float(line.rpartition(" ")[2]) >= 0
    counted = (await lab.client.get("/metrics", headers={"accept": "application/json"})).json()
    assert counted["routes"]["chat.completions"]["cache_hits"] == 1


async def test_the_cache_can_be_switched_off(tmp_path: Path, server: ScriptedServer) -> None:
    async with running_lab(tmp_path, external_nodes=[server.url], cache_enabled=False) as lab:
        await lab.until_served("m")
        for _ in range(2):
            assert (await lab.chat("hi")).headers["x-llmlab-cache"] == "miss"
            response = await lab.client.post("/inference", json={"prompt": "hi"})
            assert response.headers["x-llmlab-cache"] == "miss"
        assert (await lab.client.get("/api/cache/stats")).json()["entries"] == 0
        assert (await lab.client.post("/api/cache/clear")).json() == {"cleared": 0}
