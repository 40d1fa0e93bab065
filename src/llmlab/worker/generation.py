"""Chat and completion: from the cache, from an equal request under way, or anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from llmlab.cache import replay
from llmlab.cache.manager import CachedAnswer, ResponseCache
from llmlab.cache.policy import cache_policy
from llmlab.cache.single_flight import SingleFlight
from llmlab.models.catalog import ModelCatalog
from llmlab.models.executor import ModelExecutor
from llmlab.protocol import sse
from llmlab.protocol.openai import (
    CACHE_HEADER,
    ChatCompletionBody,
    CompletionBody,
    chat_request,
    completion_request,
)
from llmlab.protocol.openai_answers import ChunkWriter
from llmlab.types import Chunk, GenerateRequest
from llmlab.worker.responses import Chunks, GenerationResponse

# Chunks after which the rest of the process has a turn.
_TURN = 16


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what the headers say.

    Attributes:
        tenant: The key's tenant; None leaves the response cache alone, as it is asked elsewhere.
        cache_control: The Cache-Control header.
        headers: Headers that every answer to this caller has.
    """

    tenant: str | None
    cache_control: str | None
    headers: Mapping[str, str]


class Generations:
    """Answers chat and completion requests.

    Args:
        catalog: The models that exist.
        executor: Runs requests.
        cache: Stored answers; None for no cache.
        node: Name of this node.
        deadline: Longest time of an answer, loading included, in seconds.
    """

    def __init__(
        self,
        catalog: ModelCatalog,
        executor: ModelExecutor,
        cache: ResponseCache | None,
        *,
        node: str,
        deadline: float,
    ) -> None:
        self._catalog = catalog
        self._executor = executor
        self._cache = cache
        self._node = node
        self._deadline = deadline
        self._flights = SingleFlight[Chunk](
            on_shared=cache.count_coalesced if cache else None, size=_size
        )

    def respond(
        self,
        body: ChatCompletionBody | CompletionBody,
        content: dict[str, Any],
        caller: Caller,
    ) -> Response:
        """Return the response to a checked body.

        Args:
            body: The body.
            content: The same as it came.
            caller: Who asks.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        record = self._catalog.get(body.model)
        if isinstance(body, ChatCompletionBody):
            request = chat_request(body, model=record.key)
        else:
            request = completion_request(body, model=record.key)
        usage = body.stream_options is not None and body.stream_options.include_usage
        writer = ChunkWriter(body.model, request.operation, include_usage=usage)
        stream = body.stream is True
        key = None
        policy = cache_policy(content, caller.cache_control)
        if self._cache is not None and caller.tenant is not None and policy.write:
            digest = f"{request.operation} {record.key} {record.digest}"
            key = self._cache.key(content, tenant=caller.tenant, model_digest=digest)
            stored = self._cache.get_key(key) if policy.read else None
            if stored is not None:
                return _stored(stored, stream=stream, usage=usage, headers=caller.headers)
        return GenerationResponse(
            lambda: self._open(request, key, writer, share=policy.read),
            writer,
            stream=stream,
            headers={**caller.headers, CACHE_HEADER: "miss"},
            deadline=self._deadline,
        )

    def _open(
        self, request: GenerateRequest, key: str | None, writer: ChunkWriter, *, share: bool
    ) -> Chunks:
        if key is None:
            return self._generated(request)

        def keep(chunks: Sequence[Chunk]) -> None:
            answer = replay.settle(CachedAnswer(writer.whole(chunks), node=self._node))
            if answer is not None and self._cache is not None:
                self._cache.put_key(key, answer)

        # Who asks for a new answer shares with others who do, and with nobody else.
        flight = key if share else f"{key} fresh"
        return self._flights.join(flight, lambda: self._generated(request), on_complete=keep)

    async def _generated(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        chunks = self._executor.generate(request)
        try:
            count = 0
            async for chunk in chunks:
                yield chunk
                count += 1
                if count % _TURN == 0:
                    # Buffered chunks come without waiting: others must have their turn too.
                    await asyncio.sleep(0)
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()


def _stored(
    answer: CachedAnswer, *, stream: bool, usage: bool, headers: Mapping[str, str]
) -> Response:
    given = {**headers, CACHE_HEADER: "hit"}
    if stream:
        body = replay.stream(answer, include_usage=usage)
        return Response(body, headers={**given, **sse.HEADERS})
    return Response(replay.whole(answer), headers=given, media_type="application/json")


def _size(chunk: Chunk) -> int:
    return 200 + len(chunk.text) + len(chunk.reasoning)
