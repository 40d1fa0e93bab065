"""An engine without a server, for tests of what is above the engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

from llmlab.engines.base import Engine, EngineCapabilities, EngineModel
from llmlab.errors import EngineCrashedError, EngineError, InvalidRequestError, ModelNotFoundError
from llmlab.protocol.errors import decode_error
from llmlab.protocol.openai import request_body
from llmlab.testing.script import Reply, Script, cut, vector_of
from llmlab.types import Chunk, GenerateRequest, ToolCallDelta, Usage


class ScriptedEngine(Engine):
    """Answers by a script, in process.

    Args:
        models: Names that it knows.
        replies: The answers; see :class:`~llmlab.testing.script.Script`.
        reply_with: Chooses the answer by the request, as OpenAI's body, instead.
        embed: Gives the vector of a text.

    Attributes:
        requests: The requests that were seen.
        active: Generations that go on now.
        cancelled: Generations that were closed before their end.
        closed: Whether it was closed.
    """

    name: ClassVar[str] = "scripted"
    capabilities: ClassVar[EngineCapabilities] = EngineCapabilities(
        embeddings=True, json_schema=True, tools=True, logprobs=True
    )

    def __init__(
        self,
        models: Sequence[str] = ("scripted",),
        replies: Sequence[Reply] = (),
        *,
        reply_with: Callable[[dict[str, Any]], Reply] | None = None,
        embed: Callable[[str], list[float]] = vector_of,
    ) -> None:
        self.known = list(models)
        self.script = Script(replies, reply_with)
        self.requests: list[GenerateRequest] = []
        self.active = 0
        self.cancelled = 0
        self.closed = False
        self._embed = embed

    async def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Yield the next reply's pieces in its time, up to its fault."""
        self.require(request)
        self._check(request.model)
        self.requests.append(request)
        self.active += 1
        try:
            async with aclosing(self._play(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled += 1
            raise
        finally:
            self.active -= 1

    async def _play(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        body: dict[str, Any] = request_body(request)
        reply = self.script.reply_to(body)
        await asyncio.sleep(reply.first_delay)
        if reply.status >= 400:
            raise decode_error(reply.status, reply.message.encode())
        if reply.reasoning:
            yield Chunk(reasoning=reply.reasoning)
        answer = cut(reply, body, body.get("max_tokens"))
        for count, token in enumerate(answer.tokens):
            if reply.fault is not None and count == reply.after:
                break
            await asyncio.sleep(reply.delay if count else 0)
            yield Chunk(token)
        await _fail(reply)
        if reply.tool_calls:
            calls = enumerate(reply.tool_calls)
            yield Chunk(
                tool_calls=tuple(ToolCallDelta(n, c.id, c.name, c.arguments) for n, c in calls)
            )
        yield Chunk(finish_reason=answer.finish_reason)
        yield Chunk(usage=answer.usage)

    async def embed(self, model: str, inputs: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return vectors that depend on the texts alone."""
        self._check(model)
        if not inputs:
            raise InvalidRequestError("Give at least one text to embed.", param="input")
        tokens = sum(len(text.split()) for text in inputs)
        return [self._embed(text) for text in inputs], Usage(tokens)

    async def models(self) -> list[EngineModel]:
        """Return the models it was given."""
        return [EngineModel(name) for name in self.known]

    async def healthy(self) -> bool:
        """Return whether it was not closed."""
        return not self.closed

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def dispose(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def _check(self, model: str) -> None:
        if model not in self.known:
            known = ", ".join(self.known)
            raise ModelNotFoundError(f"There is no model {model!r}; known: {known}.")


async def _fail(reply: Reply) -> None:
    if reply.fault == "hang":
        await asyncio.Event().wait()
    if reply.fault == "close":
        raise EngineCrashedError(reply.message)
    if reply.fault is not None:
        raise EngineError(reply.message)
