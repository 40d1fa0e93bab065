"""Answerers for tests of the workflows: an engine behind the protocol, without a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator

from llmlab.cluster.answers import Answer, AnswerStream
from llmlab.engines.base import Engine
from llmlab.types import Chunk, GenerateRequest, ToolCall, Usage


class EngineAnswerer:
    """Answers from one engine; notes who asked and whether the cache was allowed.

    Attributes:
        asked: For each request: its tenant and whether the cache was allowed.
        requests: The requests.
        node: The name that answers carry.
    """

    def __init__(self, engine: Engine, node: str = "node-1") -> None:
        self.engine = engine
        self.node = node
        self.asked: list[tuple[str, bool]] = []
        self.requests: list[GenerateRequest] = []

    async def answer(self, request: GenerateRequest, *, tenant: str, cache: bool = True) -> Answer:
        """Collect a whole answer."""
        self._note(request, tenant, cache)
        text, usage, reason = "", Usage(), None
        calls: dict[int, ToolCall] = {}
        async for chunk in self.engine.generate(request):
            text += chunk.text
            usage, reason = chunk.usage or usage, chunk.finish_reason or reason
            for delta in chunk.tool_calls:
                known = calls.get(delta.index, ToolCall("", "", ""))
                calls[delta.index] = ToolCall(
                    delta.id or known.id,
                    delta.name or known.name,
                    known.arguments + delta.arguments,
                )
        return Answer(text, tuple(calls.values()), usage, self.node, False, reason)

    async def stream(
        self, request: GenerateRequest, *, tenant: str, cache: bool = True
    ) -> AnswerStream:
        """Pass an answer on while it is made."""
        self._note(request, tenant, cache)
        chunks: AsyncIterator[Chunk] = self.engine.generate(request)
        return AnswerStream(chunks, self.node, cache_hit=False)

    def _note(self, request: GenerateRequest, tenant: str, cache: bool) -> None:
        self.requests.append(request)
        self.asked.append((tenant, cache))
