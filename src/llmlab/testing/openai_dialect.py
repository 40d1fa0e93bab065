"""OpenAI's API as the scripted server speaks it.

The bodies are written here once more, and not by ``llmlab.protocol``, so that a mistake there
does not hide itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import orjson
from aiohttp import web

from llmlab.testing.exchange import Exchange, play, wait_like
from llmlab.testing.script import Answer, Reply, cut
from llmlab.types import ToolCall, Usage

Route: TypeAlias = Callable[[Exchange], Awaitable[web.StreamResponse]]

GARBAGE = b"data: {this is no JSON\n\n"


async def _health(exchange: Exchange) -> web.StreamResponse:
    return exchange.json({"status": "ok"})


async def _models(exchange: Exchange) -> web.StreamResponse:
    entries = [
        {"id": name, "object": "model", "created": 1, "owned_by": "script"}
        for name in exchange.server.models
    ]
    return exchange.json({"object": "list", "data": entries})


async def _embeddings(exchange: Exchange) -> web.StreamResponse:
    fault = exchange.server.embedding_fault
    if fault is not None:
        await asyncio.sleep(fault.first_delay)
        return await _fail(exchange, fault)
    if not exchange.knows_model:
        return _unknown(exchange)
    given = exchange.body.get("input", "")
    texts = [given] if isinstance(given, str) else [str(text) for text in given]
    entries = [
        {"object": "embedding", "index": index, "embedding": exchange.server.embed(text)}
        for index, text in enumerate(texts)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return exchange.json(
        {"object": "list", "model": exchange.model, "data": entries, "usage": usage}
    )


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
    answer = cut(reply, body, body.get("max_completion_tokens") or body.get("max_tokens"))
    writer = _Writer(exchange, reply, answer, chat=chat)
    if body.get("stream"):
        return await exchange.stream(reply, "text/event-stream", writer.stream())
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
        return web.Response(body=b"{this is no JSON", content_type="application/json")
    status = reply.status if reply.status >= 400 else 500
    return exchange.error(status, reply.message, code=reply.code, headers=reply.headers)


def _unknown(exchange: Exchange) -> web.Response:
    known = ", ".join(exchange.server.models)
    return exchange.error(
        404, f"There is no model {exchange.model!r}; known: {known}.", code="model_not_found"
    )


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return OpenAI's usage object."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


class _Writer:
    """Writes one answer, streamed or whole."""

    def __init__(self, exchange: Exchange, reply: Reply, answer: Answer, *, chat: bool) -> None:
        body = exchange.body
        self._reply = reply
        self._answer = answer
        self._chat = chat
        self._choices = range(body.get("n") or 1)
        self._usage = bool((body.get("stream_options") or {}).get("include_usage"))
        number = exchange.server.request_count
        self._head = {
            "id": f"chatcmpl-{number}" if chat else f"cmpl-{number}",
            "created": int(time.time()),
            "model": exchange.model,
        }

    def whole(self) -> dict[str, Any]:
        text = "".join(self._answer.tokens)
        content: dict[str, Any] = {"text": text}
        if self._chat:
            message: dict[str, Any] = {"role": "assistant", "content": text}
            if self._reply.reasoning:
                message["reasoning_content"] = self._reply.reasoning
            if self._reply.tool_calls:
                message["content"] = text or None
                message["tool_calls"] = [_call_body(call) for call in self._reply.tool_calls]
            content = {"message": message}
        end = {"logprobs": None, "finish_reason": self._answer.finish_reason}
        choices = [{"index": index} | content | end for index in self._choices]
        kind = "chat.completion" if self._chat else "text_completion"
        usage = usage_of(self._answer.usage)
        return self._head | {"object": kind, "choices": choices, "usage": usage}

    async def stream(self) -> AsyncIterator[bytes]:
        reply = self._reply
        if self._chat:
            for index in self._choices:
                yield self._event(index, {"role": "assistant", "content": ""})
            if reply.reasoning:
                for index in self._choices:
                    yield self._event(index, {"reasoning_content": reply.reasoning})
        error = {"error": {"message": reply.message, "type": "server_error", "code": reply.code}}
        failure = b"data: " + orjson.dumps(error) + b"\n\n"
        async for frame in play(reply, self._tokens(), garbage=GARBAGE, error=failure):
            yield frame
        if reply.fault is None:
            yield self._end()

    def _tokens(self) -> Iterator[bytes]:
        # The parts around the text are the same for every token: this is what benchmarks dial.
        marker = "\u0001"
        cuts = []
        for index in self._choices:
            delta = {"content": marker} if self._chat else {"text": marker}
            before, after = self._event(index, delta).split(orjson.dumps(marker))
            cuts.append((before, after))
        for token in self._answer.tokens:
            text = orjson.dumps(token)
            yield b"".join(before + text + after for before, after in cuts)

    def _end(self) -> bytes:
        events = []
        for index in self._choices:
            if self._chat:
                events += [self._event(index, delta) for delta in self._call_deltas()]
            empty = {} if self._chat else {"text": ""}
            events.append(self._event(index, empty, self._answer.finish_reason))
        if self._usage:
            head = self._stream_head()
            usage = head | {"choices": [], "usage": usage_of(self._answer.usage)}
            events.append(b"data: " + orjson.dumps(usage) + b"\n\n")
        return b"".join(events) + b"data: [DONE]\n\n"

    def _call_deltas(self) -> Iterator[dict[str, Any]]:
        for position, call in enumerate(self._reply.tool_calls):
            opened = _call_body(call) | {"index": position}
            opened["function"] = {"name": call.name, "arguments": ""}
            yield {"tool_calls": [opened]}
            half = len(call.arguments) // 2
            for piece in (call.arguments[:half], call.arguments[half:]):
                yield {"tool_calls": [{"index": position, "function": {"arguments": piece}}]}

    def _stream_head(self) -> dict[str, Any]:
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return self._head | {"object": kind}

    def _event(self, index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        content = {"delta": delta} if self._chat else delta
        choice = {"index": index} | content | {"logprobs": None, "finish_reason": finish}
        return b"data: " + orjson.dumps(self._stream_head() | {"choices": [choice]}) + b"\n\n"


def _call_body(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/health"): _health,
    ("GET", "/v1/models"): _models,
    ("POST", "/v1/embeddings"): _embeddings,
    ("POST", "/v1/chat/completions"): _chat,
    ("POST", "/v1/completions"): _completion,
}
