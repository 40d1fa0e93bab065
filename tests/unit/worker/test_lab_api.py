"""The Lab API of a worker: what it is, what it has, what it does."""

from __future__ import annotations

import asyncio

import httpx

from llmlab.testing import Reply, ScriptedServer
from llmlab.worker.service import Worker


async def test_health_is_public_and_says_how_it_does(url: str, worker: Worker) -> None:
    async with httpx.AsyncClient(base_url=url) as anybody:
        health = (await anybody.get("/health")).json()
        assert (health["status"], health["role"]) == ("ok", "worker")
        assert health["instance_id"] == worker.instance_id
        async with asyncio.timeout(5):
            while not (await anybody.get("/health")).json()["devices"]:
                await asyncio.sleep(0.01)
        for path in ("/", "/models", "/cache", "/metrics", "/tools", "/v1/models", "/docs"):
            assert (await anybody.get(path)).status_code == 401


async def test_root_models_and_tools(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).json()["node"] == "box"
    models = (await client.get("/models")).json()["models"]
    assert {"m"} <= {model["id"] for model in models}
    (tool,) = (await client.get("/tools")).json()["tools"]
    assert tool["name"] == "calculator"


async def test_documentation(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert (await client.get("/openapi.json")).json() == document
    post = document["paths"]["/v1/chat/completions"]["post"]
    reference = post["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    assert "messages" in schema["properties"]
    assert (await client.get("/docs")).status_code == 200


async def test_loads_and_unloads(client: httpx.AsyncClient) -> None:
    loaded = (await client.post("/models/load", json={"model": "m"})).json()
    assert (loaded["model"], loaded["node"]) == ("m", "box")
    cache = (await client.get("/cache")).json()
    assert [each["model"] for each in cache["models"]] == ["m"]
    assert cache["memory_used"] == cache["models"][0]["memory_bytes"]
    assert (await client.delete("/cache/m")).json() == {"unloaded": ["m"]}
    assert (await client.get("/cache")).json()["memory_used"] == 0
    gone = await client.delete("/cache/m")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "model_not_found")
    unknown = await client.delete("/cache/org/x:7b")
    assert unknown.status_code == 404
    assert "'org/x:7b'" in unknown.json()["error"]["message"]
    await client.post("/models/load", json={"model": "m", "strategy": "optimized"})
    assert (await client.post("/cache/clear")).json() == {"unloaded": ["m"]}


async def test_a_model_that_answers_is_not_unloaded(
    client: httpx.AsyncClient, scripted: ScriptedServer
) -> None:
    scripted.follow(Reply("one two three", fault="hang", after=1))
    asking = asyncio.create_task(client.post("/inference", json={"prompt": "hi"}))
    await scripted.until(lambda server: server.active == 1)
    busy = await client.delete("/cache/m")
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "conflict")
    assert (await client.post("/cache/clear")).json() == {"unloaded": []}
    asking.cancel()
    await asyncio.wait([asking])
    await scripted.until(lambda server: server.cancelled == 1, timeout=1)


async def test_inference_says_what_it_cost(client: httpx.AsyncClient) -> None:
    body = {"prompt": "hi", "model": "m", "strategy": "standard", "max_tokens": 9, "temperature": 0}
    answer = await client.post("/inference", json=body)
    result = answer.json()
    assert result["output"] == "Hello dear world"
    assert (result["cache_hit"], result["response_cached"]) == (False, False)
    assert (result["model_name"], result["strategy"], result["node"]) == ("m", "standard", "box")
    assert result["tokens_generated"] == result["usage"]["completion_tokens"] == 3
    assert result["total_time_sec"] >= result["inference_time_sec"] > 0
    assert answer.headers["x-llmlab-run"] == result["run_id"]

    again = await client.post("/inference", json=body)
    assert again.headers["x-llmlab-cache"] == "hit"
    assert again.json()["response_cached"]
    assert again.json()["run_id"] != result["run_id"]
    for change in ({"temperature": 1}, {"cache": False}, {"prompt": "ho"}):
        other = await client.post("/inference", json=body | change)
        assert other.headers["x-llmlab-cache"] == "miss"
        assert other.json()["cache_hit"]


async def test_tools_run_and_are_counted(client: httpx.AsyncClient) -> None:
    body = {"arguments": {"expression": "25 * 67"}}
    assert (await client.post("/tools/calculator", json=body)).json()["output"] == {"result": 1675}
    refused = await client.post("/tools/calculator", json={"arguments": {"expression": "9**9**9"}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "tool_error")
    unknown = await client.post("/tools/rm", json={"arguments": {}})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "tool_not_found")
    (tool,) = (await client.get("/tools")).json()["tools"]
    assert (tool["calls"], tool["errors"]) == (2, 1)


async def test_metrics_in_both_forms(client: httpx.AsyncClient) -> None:
    await client.post("/inference", json={"prompt": "hi"})
    text = await client.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'llmlab_model_requests_total{model="m",outcome="ok"} 1' in text.text
    assert "\nllmlab_cache_entries 1\n" in text.text
    numbers = (await client.get("/metrics", headers={"Accept": "application/json"})).json()
    assert numbers["llmlab_worker_models_loaded"] == 1
    assert numbers["llmlab_model_requests_total"][0]["value"] == 1


KEY = "0123456789abcdef0123456789abcdef01234567"


async def test_shard_keeps_bytes(node: httpx.AsyncClient) -> None:
    path = f"/shard/entries/{KEY}"
    assert (await node.get(path)).status_code == 404
    headers = {"x-llmlab-node": "other", "x-llmlab-ttl": "60"}
    assert (await node.put(path, content=b'{"a": 1}', headers=headers)).status_code == 204
    kept = await node.get(path)
    assert (kept.content, kept.headers["x-llmlab-node"]) == (b'{"a": 1}', "other")
    assert (await node.delete(path)).status_code == 204
    assert (await node.delete(path)).status_code == 404


async def test_shard_refuses_odd_keys_and_lives(node: httpx.AsyncClient) -> None:
    for key in ("x", "..%2F..%2Fetc", KEY.upper(), KEY + "0"):
        for method in ("GET", "PUT", "DELETE"):
            refused = await node.request(method, f"/shard/entries/{key}")
            assert refused.status_code in (400, 404)
            assert "error" in refused.json()
    for ttl in ("0", "-1", "nan", "inf", "soon", "1e9"):
        refused = await node.put(f"/shard/entries/{KEY}", headers={"x-llmlab-ttl": ttl})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "x-llmlab-ttl")
