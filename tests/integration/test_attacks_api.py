"""Hostile requests to a whole lab with its worker and a model: clear refusals, flat memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.integration.labs import KEY, SECRET, Lab, running_lab

from llmlab.protocol.openai import MOST_BIASES, MOST_INPUTS
from llmlab.protocol.openai_shapes import MOST_PROPERTIES, MOST_TOOLS

MODEL = "lab-mini"
CANARY = "canary-of-an-outer-service"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
async def lab(home: Path) -> AsyncIterator[Lab]:
    async with running_lab(home, workers=1, model=MODEL, openai_api_key=CANARY) as lab:
        await lab.until_served(MODEL)
        yield lab


def _object(count: int) -> dict[str, Any]:
    properties = {f"p{number}": {"type": "integer"} for number in range(count)}
    return {"type": "object", "properties": properties}


def _format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def _tool(number: int, count: int = 1) -> dict[str, Any]:
    function = {"name": f"t{number}", "parameters": _object(count)}
    return {"type": "function", "function": function}


def _memory() -> int:
    me = psutil.Process()
    return sum(process.memory_info().rss for process in [me, *me.children(recursive=True)])


TOO_MUCH: dict[str, dict[str, Any]] = {
    "properties": {"response_format": _format(_object(MOST_PROPERTIES + 1))},
    "values": {"response_format": _format({"enum": ["a" * 100] * 2000})},
    "tools": {"tools": [_tool(number) for number in range(MOST_TOOLS + 1)]},
    "parameters": {"tools": [_tool(number, 400) for number in range(10)]},
    "biases": {"logit_bias": {str(number): 1 for number in range(MOST_BIASES + 1)}},
    "messages": {"messages": [{"role": "user", "content": "a"}] * 50_000},
    "text": {"messages": [{"role": "user", "content": "ab " * 1_000_000}]},
    "tokens": {"max_tokens": 2**31},
    "a schema that is none": {"response_format": _format({"type": "nonsense"})},
    "a reference elsewhere": {"response_format": _format({"$ref": "http://127.0.0.1:9/x"})},
    "a file as picture": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}],
            }
        ]
    },
}


async def test_what_would_hold_a_model_up_is_refused_before_it(lab: Lab) -> None:
    await lab.chat("hi", max_tokens=1)
    before = _memory()
    for name, change in TOO_MUCH.items():
        answer = await asyncio.wait_for(lab.chat("hi", **change), 5)
        assert answer.status_code == 400, name
        assert answer.json()["error"]["type"] == "invalid_request_error", name
    inputs = {"model": MODEL, "input": ["a"] * (MOST_INPUTS + 1)}
    answer = await lab.client.post("/v1/embeddings", json=inputs)
    assert str(MOST_INPUTS) in answer.json()["error"]["message"]
    long = await lab.client.post("/v1/embeddings", json={"model": MODEL, "input": "ab " * 20_000})
    assert (long.status_code, long.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert _memory() - before < 200_000_000
    assert (await lab.chat("hi", max_tokens=1, cache=False)).status_code == 200


async def test_many_schemas_leave_memory_flat(lab: Lab) -> None:
    async def ask(number: int) -> None:
        schema = {"type": "object", "properties": {f"k{number}": {"type": "integer"}}}
        answer = await lab.chat("hi", response_format=_format(schema), max_tokens=4, cache=False)
        assert answer.status_code == 200

    for number in range(60):
        await ask(number)
    before = _memory()
    for number in range(60, 260):
        await ask(number)
    assert _memory() - before < 30_000_000


async def test_arguments_of_the_template_are_left_out(lab: Lab) -> None:
    endless = "{% for i in range(1000000000) %}a{% endfor %}"
    change = {
        "chat_template": endless,
        "chat_template_kwargs": {"x": endless},
        "grammar": "x ::= x",
    }
    answer = await asyncio.wait_for(lab.chat("hi", max_tokens=4, **change), 5)
    assert answer.status_code == 200


PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/chat", "/inference")


async def test_rubbish_is_refused_in_the_one_shape(lab: Lab) -> None:
    rubbish = [
        b"",
        b"null",
        b"[]",
        b'{"model": NaN}',
        b'{"model": 1e999}',
        b'{"model":"\xff"}',
        b'{"model":"\\ud800"}',
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"x":' + b'{"x":' * 1000 + b"1" + b"}" * 1000 + b"}",
        b'{"model":{},"messages":5,"message":[],"prompt":{},"input":{}}',
    ]
    for path in PATHS:
        for body in rubbish:
            answer = await lab.client.post(path, content=body)
            assert answer.status_code == 400, (path, body[:40])
            assert set(answer.json()["error"]) == {"message", "type", "code", "param"}
        large = await lab.client.post(path, content=b"a" * 10_000_001)
        assert large.status_code == 413


ODD_IDS = ("..%2f..%2fetc%2fpasswd", "%00", "CON", "a" * 5000, "'%20OR%201=1--", "%0d%0aX:y", "~")


async def test_odd_ids_name_nothing(lab: Lab) -> None:
    for odd in ODD_IDS:
        for method, path in (
            ("GET", f"/api/runs/{odd}"),
            ("GET", f"/api/runs/{odd}/events"),
            ("DELETE", f"/cache/{odd}"),
        ):
            answer = await lab.client.request(method, path)
            assert answer.status_code == 404, path
            assert len(answer.content) < 6000


async def test_odd_hosts_and_keys_do_not_pass(lab: Lab) -> None:
    for host in ("[::1].evil.example", "localhost:80:evil", "127.0.0.1@evil.example", "[::1"):
        answer = await lab.client.get("/health", headers={"host": host})
        assert answer.status_code == 403, host
    for key in ("' OR 1=1 --", "Bearer ' OR '1'='1", f"Basic {KEY}", "Bearer " + "a" * 30_000):
        answer = await lab.client.get("/api/nodes", headers={"authorization": key})
        assert answer.status_code == 401


async def test_secrets_are_in_no_file_answer_or_argument(lab: Lab, home: Path) -> None:
    for body in (b'{"message":"hi"}', b"rubbish"):
        await lab.client.post("/chat", content=body)
    await lab.client.get("/api/nodes", headers={"authorization": f"Bearer {KEY}x"})
    shown = [
        (await lab.client.get(path)).text
        for path in ("/", "/health", "/metrics", "/models", "/api/nodes", "/api/runs", "/api/tasks")
    ]
    me = psutil.Process()
    shown += [json.dumps(process.cmdline()) for process in me.children(recursive=True)]
    files = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
    for secret in (KEY, SECRET, CANARY):
        assert not any(secret in text for text in shown)
        assert not any(secret.encode() in content for content in files)
