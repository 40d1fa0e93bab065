"""Asks the model on behalf of the chat graph: plans, plain steps, answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from llmlab.cluster.answers import Answer, AnswerStream
from llmlab.errors import ContextLengthError, InvalidRequestError, UnavailableError
from llmlab.types import Chunk, GenerateRequest, JsonObject, Message, Usage
from llmlab.workflows.answerer import Answerer
from llmlab.workflows.chat.thinking import ThoughtFilter, without_thoughts

T = TypeVar("T")
History = Sequence[tuple[str, str]]
Prompt = Callable[[History], list[dict[str, str]]]

# Copying numbers and names exactly matters more here than variety.
OPTIONS: JsonObject = {"temperature": 0}
PLAN_TOKENS = 1536
ANSWER_TOKENS = 2048
# A run that is resumed at the start of the lab waits so long for a worker.
PATIENCE = 120.0
_REMEMBERED = 1000


class Asker:
    """One turn's way to its model.

    Args:
        answerer: The cluster.
        model: The model's name.
        tenant: Who asks.
        cache: Whether the response cache may answer.
        patient: Whether to wait for a node where none is there.
        unconstrained: Models that are known not to take a schema; shared between turns.
    """

    def __init__(
        self,
        answerer: Answerer,
        *,
        model: str,
        tenant: str,
        cache: bool,
        patient: bool,
        unconstrained: dict[str, None],
    ) -> None:
        self._answerer = answerer
        self._model = model
        self._tenant = tenant
        self._cache = cache
        self._patience = PATIENCE if patient else 0.0
        self._unconstrained = unconstrained

    async def plan(
        self, prompt: Prompt, history: History, schema: dict[str, Any], *, again: bool
    ) -> Answer:
        """Ask for a plan, constrained by a schema where the engine can.

        Args:
            prompt: Gives the messages for a history.
            history: Earlier turns; the oldest are left out where they do not fit.
            schema: JSON schema of a plan.
            again: Whether this is a second attempt, which never reads the cache.
        """
        form: JsonObject = {
            "type": "json_schema",
            "json_schema": {"name": "plan", "schema": schema, "strict": True},
        }
        options = OPTIONS | {"max_tokens": PLAN_TOKENS}
        if self._model not in self._unconstrained:
            try:
                constrained = options | {"response_format": form}
                return await self._whole(prompt, history, constrained, again=again)
            except InvalidRequestError as error:
                # Only its own subclasses say what else is wrong than the form.
                if type(error) is not InvalidRequestError:
                    raise
        answer = await self._whole(prompt, history, options, again=again)
        if len(self._unconstrained) < _REMEMBERED:
            self._unconstrained[self._model] = None
        return answer

    async def step(self, prompt: Prompt, history: History) -> Answer:
        """Ask for the result of a plain step; thoughts that stand in the text are dropped."""
        answer = await self._whole(prompt, history, OPTIONS | {"max_tokens": ANSWER_TOKENS})
        return replace(answer, text=without_thoughts(answer.text))

    async def answer(self, prompt: Prompt, history: History, show: Callable[[str], None]) -> Answer:
        """Ask for the final answer and show its text while it is made."""
        options = OPTIONS | {"max_tokens": ANSWER_TOKENS}
        stream = await self._fitting(
            prompt, history, lambda request: self._stream(request, options)
        )
        return await _collected(stream, show)

    async def _whole(
        self, prompt: Prompt, history: History, options: JsonObject, *, again: bool = False
    ) -> Answer:
        async def ask(messages: tuple[Message, ...]) -> Answer:
            request = GenerateRequest(self._model, messages, options=options)
            cache = self._cache and not again
            return await self._answerer.answer(request, tenant=self._tenant, cache=cache)

        return await self._fitting(prompt, history, ask)

    async def _stream(self, messages: tuple[Message, ...], options: JsonObject) -> _Opened:
        request = GenerateRequest(self._model, messages, options=options)
        stream = await self._answerer.stream(request, tenant=self._tenant, cache=self._cache)
        return await _opened(stream)

    async def _fitting(
        self,
        prompt: Prompt,
        history: History,
        ask: Callable[[tuple[Message, ...]], Awaitable[T]],
    ) -> T:
        """Ask, with ever less history while the context is too small for it."""
        while True:
            messages = tuple(Message(part["role"], part["content"]) for part in prompt(history))
            try:
                return await self._waiting(partial(ask, messages))
            except ContextLengthError:
                if not history:
                    raise
                history = history[len(history) // 2 + 1 :] if len(history) > 1 else ()

    async def _waiting(self, ask: Callable[[], Awaitable[T]]) -> T:
        until = time.monotonic() + self._patience
        while True:
            try:
                return await ask()
            except UnavailableError as error:
                pause = min(error.retry_after or 1.0, 1.0)
                if time.monotonic() + pause > until:
                    raise
            await asyncio.sleep(pause)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A stream whose first piece has come, so that it has not failed at once."""

    stream: AnswerStream
    first: Chunk | None


async def _opened(stream: AnswerStream) -> _Opened:
    return _Opened(stream, await anext(stream.chunks, None))


async def _collected(opened: _Opened, show: Callable[[str], None]) -> Answer:
    stream, chunk = opened.stream, opened.first
    thoughts, texts = ThoughtFilter(), list[str]()
    usage, reason = Usage(), None

    def take(text: str) -> None:
        if text:
            texts.append(text)
            show(text)

    try:
        while chunk is not None:
            if chunk.index == 0:
                take(thoughts.feed(chunk.text))
            usage, reason = chunk.usage or usage, chunk.finish_reason or reason
            chunk = await anext(stream.chunks, None)
    finally:
        # Whoever leaves early stops the generation.
        if isinstance(stream.chunks, AsyncGenerator):
            await stream.chunks.aclose()
    take(thoughts.end())
    return Answer("".join(texts), (), usage, stream.node, stream.cache_hit, reason)
