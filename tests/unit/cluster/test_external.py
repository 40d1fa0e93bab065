"""Addresses of somebody else's servers, and the nodes that they become."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from llmlab.cluster.external import ExternalNodes, externals
from llmlab.cluster.links import Links
from llmlab.cluster.nodes import Node, NodeRegistry
from llmlab.errors import ConfigurationError
from llmlab.settings import Settings
from llmlab.testing import ScriptedServer

DEADLINE = 5.0


def test_a_bare_address_has_its_routes_under_v1() -> None:
    settings = Settings.from_dict({"external_nodes": "http://box:8080, http://box:9/v1/"})
    assert [(target.url, target.api) for target in externals(settings)] == [
        ("http://box:8080", "http://box:8080/v1"),
        ("http://box:9", "http://box:9/v1"),
    ]


def test_an_address_with_a_path_says_itself_where_the_routes_are() -> None:
    settings = Settings.from_dict(
        {
            "openai_api_base": "https://api.example.com/openai/beta",
            "openai_api_key": "sk-x",
            "openai_api_model": "gpt",
        }
    )
    (target,) = externals(settings)
    assert (target.name, target.api) == ("api.example.com", "https://api.example.com/openai/beta")
    assert (target.key, target.model) == ("sk-x", "gpt")


NO_ADDRESSES = [
    "box:8080",
    "ftp://box",
    "http://",
    "http://box?server=evil",
    "http://user:password@box",
    "http://box:99999",
    "http://[::1",
    "http://bo\u0445",
]


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="external_nodes"):
        externals(Settings.from_dict({"external_nodes": [address]}))


@pytest.fixture
async def links() -> AsyncIterator[Links]:
    links = Links(timeout=5.0)
    yield links
    await links.aclose()


async def serve(routes: list[web.RouteDef]) -> tuple[web.AppRunner, str]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return runner, f"http://{host}:{port}"


def probing(nodes: NodeRegistry, links: Links, url: str, **settings: Any) -> ExternalNodes:
    values = {"external_nodes": [url]} | settings
    return ExternalNodes(
        nodes,
        links,
        Settings.from_dict(values),
        instance_id="this-very-lab",
        interval=0.02,
    )


async def test_a_server_becomes_a_node_with_its_models(links: Links) -> None:
    nodes = NodeRegistry(timeout=5.0)
    async with ScriptedServer(models=["m", "n"]) as server:
        external = probing(nodes, links, server.url)
        external.start()
        assert nodes.expected
        assert await nodes.wait_for(lambda: len(nodes.serving("n")) == 1, timeout=DEADLINE)
        assert not nodes.expected
        server.models.append("late")
        assert await nodes.wait_for(lambda: len(nodes.serving("late")) == 1, timeout=DEADLINE)
        await external.stop()


async def test_a_server_that_goes_is_lost_and_found_again(links: Links) -> None:
    nodes = NodeRegistry(timeout=5.0)
    server = ScriptedServer(models=["m"])
    await server.start()
    external = probing(nodes, links, server.url)
    external.start()
    assert await nodes.wait_for(lambda: len(nodes.serving("m")) == 1, timeout=DEADLINE)
    await server.stop()
    assert await nodes.wait_for(lambda: not nodes.serving("m"), timeout=DEADLINE)
    assert nodes.was_served("m")
    await server.start()
    assert await nodes.wait_for(lambda: len(nodes.serving("m")) == 1, timeout=DEADLINE)
    assert len(nodes.reports()) == 1
    await external.stop()
    await server.stop()


async def test_a_server_that_never_answers_is_no_longer_expected(links: Links) -> None:
    nodes = NodeRegistry(timeout=5.0)
    external = probing(nodes, links, "http://127.0.0.1:9")
    external.start()
    assert await nodes.wait_for(lambda: not nodes.expected, timeout=DEADLINE)
    assert nodes.reports() == []
    await external.stop()


async def test_the_lab_does_not_dial_itself(links: Links) -> None:
    async def health(request: web.Request) -> web.Response:
        return web.json_response({"instance_id": "this-very-lab"})

    runner, url = await serve([web.get("/health", health)])
    nodes = NodeRegistry(timeout=5.0)
    external = probing(nodes, links, url)
    external.start()
    assert await nodes.wait_for(lambda: not nodes.expected, timeout=DEADLINE)
    assert nodes.reports() == []
    await external.stop()
    await runner.cleanup()


async def node_of(links: Links, listing: object, **settings: Any) -> Node:
    async def models(request: web.Request) -> web.Response:
        return web.json_response(listing)

    runner, url = await serve([web.get("/v1/models", models)])
    nodes = NodeRegistry(timeout=5.0)
    external = probing(nodes, links, url, **settings)
    external.start()
    try:
        assert await nodes.wait_for(lambda: bool(nodes.alive()), timeout=DEADLINE)
        return nodes.alive()[0]
    finally:
        await external.stop()
        await runner.cleanup()


async def test_llama_server_is_known_to_notice_leavers_only_while_it_streams(
    links: Links,
) -> None:
    node = await node_of(links, {"data": [{"id": "m", "owned_by": "llamacpp"}]})
    assert node.streams_only
    node = await node_of(links, {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 42}]})
    assert not node.streams_only
    assert node.capabilities.models[0].context_length == 42


async def test_only_the_model_that_was_named_is_offered(links: Links) -> None:
    async def models(request: web.Request) -> web.Response:
        assert request.headers["authorization"] == "Bearer sk-other"
        return web.json_response({"data": [{"id": "a"}, {"id": "b"}]})

    runner, url = await serve([web.get("/v1/models", models)])
    nodes = NodeRegistry(timeout=5.0)
    named = {"openai_api_base": url, "openai_api_key": "sk-other", "openai_api_model": "b"}
    external = ExternalNodes(
        nodes, links, Settings.from_dict(named), instance_id="x", interval=0.02
    )
    external.start()
    assert await nodes.wait_for(lambda: bool(nodes.alive()), timeout=DEADLINE)
    assert set(nodes.models()) == {"b"}
    await external.stop()
    await runner.cleanup()


async def test_a_server_without_a_list_offers_the_model_that_was_named(links: Links) -> None:
    runner, url = await serve([])
    nodes = NodeRegistry(timeout=5.0)
    named = {"openai_api_base": url, "openai_api_model": "only"}
    external = ExternalNodes(
        nodes, links, Settings.from_dict(named), instance_id="x", interval=0.02
    )
    external.start()
    assert await nodes.wait_for(lambda: bool(nodes.alive()), timeout=DEADLINE)
    assert set(nodes.models()) == {"only"}
    await external.stop()
    await runner.cleanup()


async def test_rubbish_is_no_list_of_models(links: Links) -> None:
    async def models(request: web.Request) -> web.Response:
        return web.json_response(["m"])

    runner, url = await serve([web.get("/v1/models", models)])
    nodes = NodeRegistry(timeout=5.0)
    external = probing(nodes, links, url)
    external.start()
    assert await nodes.wait_for(lambda: not nodes.expected, timeout=DEADLINE)
    await asyncio.sleep(0)
    assert nodes.alive() == []
    await external.stop()
    await runner.cleanup()
