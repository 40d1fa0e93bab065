"""The one door to all models: cache -> one generation for equal requests -> route -> node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import orjson

from llmlab.cache.manager import CachedAnswer, ResponseCache
from llmlab.cache.policy import cache_policy
from llmlab.cache.replay import settle
from llmlab.cache.replay import stream as replayed_stream
from llmlab.cache.single_call import SingleCall
from llmlab.cache.single_flight import SingleFlight
from llmlab.cluster.answers import Answer, AnswerStream
from llmlab.cluster.calls import (
    CHAT_PATH,
    COMPLETION_PATH,
    EMBEDDING_PATH,
    GENERATING,
    Call,
    Piece,
    Reply,
)
from llmlab.cluster.dispatch import Dispatcher, Whole
from llmlab.cluster.nodes import NodeRegistry
from llmlab.cluster.relay import Relay
from llmlab.cluster.streams import ChunkStream, ShownEvents
from llmlab.errors import InvalidRequestError
from llmlab.protocol.openai import request_body
from llmlab.protocol.openai_answers import read_chunks
from llmlab.types import Chunk, GenerateRequest, ToolCall, Usage

GOOD_ENDS = frozenset({"stop", "tool_calls"})
# A node that does not count tokens: its stream cannot answer a client that wants them.
_NO_USAGE = b'"total_tokens":0'


class Inference:
    """Answers calls; raises :class:`~llmlab.errors.LabError` where there is no answer.

    Args:
        nodes: Who is there.
        dispatcher: Brings calls to them.
        cache: Stored answers; None for no cache.
    """

    def __init__(
        self, nodes: NodeRegistry, dispatcher: Dispatcher, cache: ResponseCache | None
    ) -> None:
        self._nodes = nodes
        self._dispatcher = dispatcher
        self._cache = cache
        shared = cache.count_coalesced if cache else None
        self._wholes = SingleCall[Whole](on_shared=shared)
        self._streams = SingleFlight[Piece | str](on_shared=shared, size=_size)

    def prepare(
        self,
        path: str,
        content: dict[str, Any],
        *,
        tenant: str = "",
        cache_control: str | None = None,
        hops: int = 0,
    ) -> Call:
        """Return the call for a checked body.

        Args:
            path: The OpenAI route.
            content: The body decoded; changed here to what the node gets.
            tenant: Who asks.
            cache_control: The request's Cache-Control header.
            hops: How many labs the request has come through.

        Raises:
            InvalidRequestError: The body is nested too deeply.
        """
        try:
            key, fresh = self.cache_key(path, content, tenant=tenant, cache_control=cache_control)
            stream, with_usage = _stream_wishes(content) if path in GENERATING else (False, True)
            content.pop("cache", None)
            # Written anew, never passed on: where a body names a field twice, the node might
            # read another one than was checked and keyed here.
            body = orjson.dumps(content)
        except orjson.JSONEncodeError as error:
            # It can be read, and is nested too deeply to be written.
            raise InvalidRequestError("The request body is nested too deeply.") from error
        return Call(path, content["model"], body, stream, with_usage, key, fresh, hops)

    def cache_key(
        self,
        path: str,
        content: Mapping[str, Any],
        *,
        tenant: str,
        cache_control: str | None = None,
    ) -> tuple[str | None, bool]:
        """Return the key of a body (None: leave the cache alone), and whether to skip reading."""
        if self._cache is None:
            return None, False
        policy = cache_policy(content, cache_control)
        if not policy.write:
            return None, False
        digest = f"{path} {self._nodes.digest(content['model'])}"
        return self._cache.key(content, tenant=tenant, model_digest=digest), not policy.read

    async def send(self, call: Call) -> Reply:
        """Answer a call from the cache, from an equal call under way, or from a node."""
        if call.key is None:
            return await self._direct(call)
        if not call.fresh and (stored := self._stored(call, call.key)) is not None:
            return stored
        if call.stream:
            return await self._shared_stream(call, call.key)
        return await self._shared_whole(call, call.key)

    async def _direct(self, call: Call) -> Reply:
        if not call.stream:
            whole = await self._dispatcher.whole(call)
            return Reply(whole.node, cache_hit=False, body=whole.body, usage=whole.usage)
        relay = await self._dispatcher.stream(call)
        events = ShownEvents(_pieces(relay), with_usage=call.with_usage)

        async def closing() -> None:
            relay.close()

        return Reply(relay.node, cache_hit=False, pieces=events, closing=closing)

    def _stored(self, call: Call, key: str) -> Reply | None:
        assert self._cache is not None
        stored = self._cache.get_key(key)
        if stored is None:
            return None
        if _NO_USAGE in stored.body and (call.with_usage or not call.stream):
            return None
        if not call.stream:
            return Reply(stored.node, cache_hit=True, body=stored.body)
        events = replayed_stream(stored, include_usage=call.with_usage)
        return Reply(stored.node, cache_hit=True, body=events)

    async def _shared_whole(self, call: Call, key: str) -> Reply:
        async def make() -> Whole:
            whole = await self._dispatcher.whole(call)
            if _is_good(call, whole.content):
                self._keep(key, CachedAnswer(whole.body, node=whole.node))
            return whole

        whole, shared = await self._wholes.run(_flight(call, key), make)
        usage = None if shared else whole.usage
        return Reply(whole.node, cache_hit=shared, body=whole.body, usage=usage)

    async def _shared_stream(self, call: Call, key: str) -> Reply:
        async def start() -> AsyncIterator[Piece | str]:
            relay = await self._dispatcher.stream(call)
            try:
                # Who shares the generation learns from its first piece who makes it.
                yield relay.node
                async for piece in _pieces(relay):
                    yield piece
            finally:
                relay.close()

        def keep(pieces: Sequence[Piece | str]) -> None:
            body = b"".join(piece for piece in pieces if isinstance(piece, bytes))
            answer = settle(CachedAnswer(body, stream=True, node=str(pieces[0])))
            if answer is not None:
                self._keep(key, answer)

        subscription = self._streams.join(_flight(call, key), start, on_complete=keep)
        try:
            node = str(await anext(subscription))
        except BaseException:
            await subscription.aclose()
            raise
        # After the name there are only pieces.
        events = ShownEvents(cast("AsyncIterator[Piece]", subscription), with_usage=call.with_usage)
        return Reply(
            node,
            cache_hit=subscription.shared,
            pieces=events,
            closing=subscription.aclose,
        )

    def _keep(self, key: str, answer: CachedAnswer) -> None:
        assert self._cache is not None
        self._cache.put_key(key, answer)

    async def answer(
        self, request: GenerateRequest, *, tenant: str = "", cache: bool = True
    ) -> Answer:
        """Generate a whole answer."""
        call = self._call_for(request, tenant, cache=cache, stream=False)
        async with await self.send(call) as reply:
            chunks = read_chunks(reply.body or b"")
        return Answer(
            text="".join(chunk.text for chunk in chunks if chunk.index == 0),
            tool_calls=_calls(chunks),
            usage=_usage(chunks),
            node=reply.node,
            cache_hit=reply.cache_hit,
            finish_reason=next((c.finish_reason for c in chunks if c.finish_reason), None),
        )

    async def stream(
        self, request: GenerateRequest, *, tenant: str = "", cache: bool = True
    ) -> AnswerStream:
        """Generate an answer piece by piece; close ``chunks`` to stop."""
        reply = await self.send(self._call_for(request, tenant, cache=cache, stream=True))
        return AnswerStream(ChunkStream(reply), reply.node, reply.cache_hit)

    async def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Yield the pieces of an answer; closing the iterator stops the generation."""
        reply = await self.send(self._call_for(request, "", cache=True, stream=True))
        async with reply:
            async for chunk in ChunkStream(reply):
                yield chunk

    def _call_for(
        self, request: GenerateRequest, tenant: str, *, cache: bool, stream: bool
    ) -> Call:
        path = CHAT_PATH if request.operation == "chat" else COMPLETION_PATH
        content: dict[str, Any] = dict(request_body(request, stream=stream))
        control = None if cache else "no-store"
        return self.prepare(path, content, tenant=tenant, cache_control=control)

    async def aclose(self) -> None:
        """Stop all generations."""
        await self._wholes.aclose()
        await self._streams.aclose()


def _stream_wishes(content: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether a stream is wanted and whether with usage; ask the node for usage anyway."""
    stream = content.get("stream") is True
    options = content.get("stream_options") or {}
    with_usage = options.get("include_usage") is True
    if stream and not with_usage:
        content["stream_options"] = options | {"include_usage": True}
    return stream, with_usage


def _flight(call: Call, key: str) -> str:
    # Who asks for a new answer shares with others who do, and with nobody else.
    return f"{key} fresh" if call.fresh else key


def _is_good(call: Call, content: Mapping[str, Any]) -> bool:
    if call.path == EMBEDDING_PATH:
        return bool(content.get("data"))
    choices = content.get("choices")
    if not isinstance(choices, list) or not choices:
        return False
    return all(
        isinstance(choice, dict) and choice.get("finish_reason") in GOOD_ENDS for choice in choices
    )


async def _pieces(relay: Relay) -> AsyncIterator[Piece]:
    async for piece in relay:
        yield piece
    if relay.usage is not None:
        yield relay.usage


def _size(piece: Piece | str) -> int:
    return 0 if isinstance(piece, Usage) else len(piece)


def _calls(chunks: Sequence[Chunk]) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(delta.id or "", delta.name or "", delta.arguments)
        for chunk in chunks
        for delta in chunk.tool_calls
    )


def _usage(chunks: Sequence[Chunk]) -> Usage:
    return next((chunk.usage for chunk in chunks if chunk.usage), Usage())
