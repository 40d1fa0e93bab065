"""Questions to the one door, and what of its answers is looked at."""

from __future__ import annotations

from typing import Any

import orjson

from llmlab.cluster.calls import CHAT_PATH, Reply

from .conftest import Cluster

UNREACHABLE = "http://127.0.0.1:9"


def body(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]} | more


async def whole(cluster: Cluster, content: dict[str, Any], path: str = CHAT_PATH) -> Reply:
    async with await cluster.inference.send(cluster.inference.prepare(path, content)) as reply:
        assert reply.body is not None
        return reply


async def streamed(cluster: Cluster, content: dict[str, Any]) -> tuple[Reply, bytes]:
    call = cluster.inference.prepare(CHAT_PATH, content | {"stream": True})
    async with await cluster.inference.send(call) as reply:
        if reply.body is not None:
            return reply, reply.body
        assert reply.pieces is not None
        return reply, b"".join([piece async for piece in reply.pieces])


def text_of(reply: Reply) -> str:
    return str(orjson.loads(reply.body or b"")["choices"][0]["message"]["content"])
