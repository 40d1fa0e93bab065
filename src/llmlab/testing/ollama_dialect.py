"""Ollama's native API as the scripted server speaks it: JSON lines instead of events.

Source: Ollama, docs/api.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
from aiohttp import web

from llmlab.testing.exchange import Exchange, play, wait_like
from llmlab.testing.openai_dialect import Route
from llmlab.testing.script import Answer, Reply, cut

CREATED = "2026-01-01T00:00:00Z"
GARBAGE = b"{this is no JSON\n"
LAYER_BYTES = 4096


async def _version(exchange: Exchange) -> web.StreamResponse:
    return exchange.json({"version": "0.13.0"})


async def _tags(exchange: Exchange) -> web.StreamResponse:
    return exchange.json({"models": [_entry(name) for name in exchange.server.models]})


async def _running(exchange: Exchange) -> web.StreamResponse:
    return exchange.json({"models": [_entry(name) for name in exchange.server.models[:1]]})


def _entry(name: str) -> dict[str, Any]:
    digest = name.encode().hex().ljust(64, "0")[:64]
    return {
        "name": name,
        "model": name,
        "modified_at": CREATED,
        "size": LAYER_BYTES,
        "digest": digest,
        "details": {"format": "gguf", "family": "llama", "quantization_level": "Q8_0"},
    }


async def _show(exchange: Exchange) -> web.StreamResponse:
    if not exchange.knows_model:
        return _unknown(exchange)
    info = {"general.architecture": "llama", "llama.context_length": 4096}
    capabilities = ["completion", "tools", "embedding"]
    return exchange.json({"details": {}, "model_info": info, "capabilities": capabilities})


async def _embed(exchange: Exchange) -> web.StreamResponse:
    fault = exchange.server.embedding_fault
    if fault is not None:
        await asyncio.sleep(fault.first_delay)
        return await _fail(exchange, fault)
    if not exchange.knows_model:
        return _unknown(exchange)
    given = exchange.body.get("input", "")
    texts = [given] if isinstance(given, str) else [str(text) for text in given]
    tokens = sum(len(text.split()) for text in texts)
    vectors = [exchange.server.embed(text) for text in texts]
    return exchange.json(
        {"model": exchange.model, "embeddings": vectors, "prompt_eval_count": tokens}
    )


async def _pull(exchange: Exchange) -> web.StreamResponse:
    reply = exchange.server.script.reply_to(exchange.body)
    if reply.status >= 400:
        return await _fail(exchange, reply)
    layer = {"status": "pulling layer", "digest": "sha256:0", "total": LAYER_BYTES}
    steps: list[dict[str, Any]] = [
        {"status": "pulling manifest"},
        *({**layer, "completed": LAYER_BYTES * part // 4} for part in range(1, 5)),
        {"status": "verifying sha256 digest"},
        {"status": "success"},
    ]
    if exchange.model not in exchange.server.models:
        exchange.server.models.append(exchange.model)
    frames = play(reply, map(_line, steps), garbage=GARBAGE, error=_line({"error": reply.message}))
    return await exchange.stream(reply, "application/x-ndjson", frames)


async def _chat(exchange: Exchange) -> web.StreamResponse:
    return await _generate(exchange, chat=True)


async def _completion(exchange: Exchange) -> web.StreamResponse:
    return await _generate(exchange, chat=False)


async def _generate(exchange: Exchange, *, chat: bool) -> web.StreamResponse:
    if not exchange.knows_model:
        return _unknown(exchange)
    body = exchange.body
    reply = exchange.server.script.reply_to(body)
    if reply.first_delay:
        await asyncio.sleep(reply.first_delay)
    if reply.status >= 400:
        return await _fail(exchange, reply)
    answer = cut(reply, body, (body.get("options") or {}).get("num_predict"))
    writer = _Writer(exchange.model, reply, answer, chat=chat)
    # Unlike OpenAI's API, this one streams unless it is told not to.
    if body.get("stream", True):
        return await exchange.stream(reply, "application/x-ndjson", writer.stream())
    if reply.fault is None or reply.fault == "hang":
        await wait_like(reply, len(answer.tokens))
        return exchange.json(writer.whole(), headers=reply.headers)
    return await _fail(exchange, reply)


async def _fail(exchange: Exchange, reply: Reply) -> web.StreamResponse:
    if reply.fault == "hang":
        await wait_like(reply, 0)
    if reply.fault in ("close", "truncate"):
        exchange.abort()
    if reply.fault == "garbage":
        return web.Response(body=GARBAGE, content_type="application/json")
    status = reply.status if reply.status >= 400 else 500
    return exchange.json({"error": reply.message}, status=status, headers=reply.headers)


def _unknown(exchange: Exchange) -> web.Response:
    return exchange.json({"error": f"model {exchange.model!r} not found"}, status=404)


def _line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content) + b"\n"


class _Writer:
    """Writes one answer, streamed or whole."""

    def __init__(self, model: str, reply: Reply, answer: Answer, *, chat: bool) -> None:
        self._model = model
        self._reply = reply
        self._answer = answer
        self._chat = chat

    def whole(self) -> dict[str, Any]:
        return self._part("".join(self._answer.tokens), calls=True) | self._end()

    async def stream(self) -> AsyncIterator[bytes]:
        reply = self._reply
        failure = _line({"error": reply.message})
        async for frame in play(reply, self._lines(), garbage=GARBAGE, error=failure):
            yield frame
        if reply.fault is None:
            if reply.tool_calls:
                yield _line(self._part("", calls=True) | {"done": False})
            yield _line(self._part("") | self._end())

    def _lines(self) -> Iterator[bytes]:
        for token in self._answer.tokens:
            yield _line(self._part(token) | {"done": False})

    def _part(self, text: str, *, calls: bool = False) -> dict[str, Any]:
        head: dict[str, Any] = {"model": self._model, "created_at": CREATED}
        if not self._chat:
            return head | {"response": text}
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls and self._reply.tool_calls:
            # Ollama gives arguments as an object and no id.
            message["tool_calls"] = [
                {"function": {"name": call.name, "arguments": orjson.loads(call.arguments)}}
                for call in self._reply.tool_calls
            ]
        return head | {"message": message}

    def _end(self) -> dict[str, Any]:
        usage, finish = self._answer.usage, self._answer.finish_reason
        return {
            "done": True,
            "done_reason": "length" if finish == "length" else "stop",
            "prompt_eval_count": usage.prompt_tokens,
            "eval_count": usage.completion_tokens,
        }


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/version"): _version,
    ("GET", "/api/tags"): _tags,
    ("GET", "/api/ps"): _running,
    ("POST", "/api/show"): _show,
    ("POST", "/api/embed"): _embed,
    ("POST", "/api/pull"): _pull,
    ("POST", "/api/chat"): _chat,
    ("POST", "/api/generate"): _completion,
}
