"""Who gets in: keys, cookies, hosts and origins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.integration.labs import KEY, SECRET, Lab, running_lab

from llmlab.testing import ScriptedServer


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with (
        ScriptedServer(models=["m"]) as server,
        running_lab(tmp_path, external_nodes=[server.url]) as lab,
    ):
        await lab.until_served("m")
        yield lab


CLOSED = [
    ("GET", "/v1/models"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/chat"),
    ("POST", "/inference"),
    ("GET", "/cache"),
    ("GET", "/models"),
    ("GET", "/metrics"),
    ("GET", "/api/nodes"),
    ("GET", "/api/v1/runs"),
    ("GET", "/no/such/route"),
]


async def test_without_the_key_nothing_is_told(lab: Lab) -> None:
    del lab.client.headers["authorization"]
    for method, path in CLOSED:
        for header in ({}, {"authorization": "Bearer wrong"}):
            response = await lab.client.request(method, path, headers=header)
            assert response.status_code == 401, path
            assert response.json()["error"]["code"] == "invalid_api_key"
            assert response.headers["www-authenticate"] == "Bearer"


async def test_what_is_public(lab: Lab) -> None:
    del lab.client.headers["authorization"]
    assert (await lab.client.get("/")).json()["name"] == "LLM Lab"
    health = await lab.client.get("/health")
    assert health.json()["role"] == "coordinator"
    assert health.json()["status"] == "ok"
    assert KEY not in health.text
    assert str(lab.settings.home) not in health.text


async def test_signing_in_and_out(lab: Lab) -> None:
    del lab.client.headers["authorization"]
    assert (await lab.client.post("/api/session", json={"key": "wrong"})).status_code == 401
    signed_in = await lab.client.post("/api/session", json={"key": KEY})
    assert signed_in.status_code == 204
    cookie = signed_in.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (await lab.client.get("/api/nodes")).status_code == 200
    foreign = await lab.client.get("/api/nodes", headers={"origin": "http://evil.example"})
    assert foreign.status_code == 403
    own = await lab.client.get("/api/nodes", headers={"origin": lab.url})
    assert own.status_code == 200
    assert (await lab.client.delete("/api/v1/session")).status_code == 204
    assert (await lab.client.get("/api/nodes")).status_code == 401


async def test_another_host_name_is_refused(lab: Lab) -> None:
    response = await lab.client.get("/health", headers={"host": "evil.example"})
    assert response.status_code == 403


async def test_a_nodes_secret_opens_no_data(lab: Lab) -> None:
    headers = {"authorization": f"Bearer {SECRET}"}
    for path in ("/api/runs", "/v1/models", "/metrics"):
        assert (await lab.client.get(path, headers=headers)).status_code == 403


async def test_there_are_no_cors_headers(lab: Lab) -> None:
    response = await lab.client.get("/v1/models", headers={"origin": "http://evil.example"})
    assert not any(name.startswith("access-control") for name in response.headers)


async def test_sockets_are_refused_before_they_are_accepted(lab: Lab) -> None:
    foreign = {"origin": "http://evil.example"}
    refused: list[dict[str, str]] = [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Bearer {KEY}"} | foreign,
        {"authorization": f"Bearer {SECRET}"} | foreign,
    ]
    async with aiohttp.ClientSession() as session:
        for path in ("/ws/chat", "/ws/join"):
            for headers in refused:
                with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                    await session.ws_connect(lab.url + path, headers=headers)
                assert caught.value.status == 403


async def test_the_documents_list_every_route(lab: Lab) -> None:
    document = (await lab.client.get("/openapi.json")).json()
    paths = document["paths"]
    assert set(paths) >= {
        "/v1/models",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/chat",
        "/inference",
        "/cache",
        "/cache/clear",
        "/cache/{model}",
        "/models",
        "/health",
        "/metrics",
        "/api/tasks",
        "/api/nodes",
        "/api/v1/execute",
        "/api/cache/stats",
        "/api/cache/clear",
        "/api/runs/{run_id}/events",
    }
    references = str(document)
    for name in document["components"]["schemas"]:
        assert name
    assert "ChatCompletionBody" in references
    assert (await lab.client.get("/docs")).status_code == 200


async def test_unknown_routes_and_methods_keep_the_shape(lab: Lab) -> None:
    missing = await lab.client.get("/no/such/route")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    wrong = await lab.client.get("/v1/chat/completions")
    assert wrong.status_code in (404, 405)
    assert "error" in wrong.json()
