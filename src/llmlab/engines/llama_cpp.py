"""llama.cpp as an engine: dials the child process of a loaded model."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import ClassVar, Self, cast

import aiohttp

from llmlab.engines.base import EngineCapabilities, EngineModel
from llmlab.engines.llama_cpp_process import LaunchOptions, LlamaCppProcess, launch
from llmlab.engines.openai import OpenAIEngine
from llmlab.errors import (
    ContextLengthError,
    EngineCrashedError,
    EngineError,
    InvalidRequestError,
    UnavailableError,
)
from llmlab.types import Chunk, GenerateRequest, Message, Usage

__all__ = ["LaunchOptions", "LlamaCppEngine", "LlamaCppProcess", "launch"]

# How long a process may take to be gone after its connections are.
EXIT_GRACE = 1.0
# The longest tokens of common vocabularies are runs of spaces.
LONGEST_TOKEN = 128
TOO_LONG_ADVICE = (
    "Shorten it, choose a model with more context, or raise LLMLAB_CONTEXT_LENGTH where the"
    " model allows more."
)
_TOKENS = re.compile(r"\((\d+) tokens\)")


class LlamaCppEngine(OpenAIEngine):
    """Dials a model that :func:`launch` loaded.

    Args:
        process: The loaded model.
        timeout: Longest time of one call, its stream included, in seconds.
    """

    name: ClassVar[str] = "llama_cpp"
    capabilities: ClassVar[EngineCapabilities] = EngineCapabilities(
        embeddings=True, json_schema=True, tools=True, logprobs=True, launched=True
    )

    def __init__(self, process: LlamaCppProcess, *, timeout: float = 300.0) -> None:
        # llama.cpp closes idle connections without notice, and a new one costs 0.1 ms here.
        super().__init__(
            process.url, api_key=process.api_key, timeout=timeout, keep_connections=False
        )
        self.process = process
        self._timeout = timeout
        # Twice as many as are answered at once, so that the next one is there when one ends.
        self._places = asyncio.Semaphore(2 * process.options.parallel)

    @classmethod
    def of(cls, process: LlamaCppProcess, *, timeout: float = 300.0) -> Self:
        """Return the engine of a loaded model."""
        return cls(process, timeout=timeout)

    async def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Yield the answer's pieces; closing the generator stops the generation.

        Raises:
            EngineCrashedError: The process of the model ended.
            ContextLengthError: The prompt cannot fit.
        """
        self._check_fits(len(request.messages), _characters(request))
        stream = cast("AsyncGenerator[Chunk, None]", super().generate(_prepared(request)))
        async with self._explained(), self._turn(), aclosing(stream):
            async for chunk in stream:
                yield chunk

    async def embed(self, model: str, inputs: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector for each text, in their order, and the tokens read."""
        self._check_fits(0, max(map(len, inputs), default=0))
        async with self._explained(), self._turn():
            return await super().embed(model, inputs)

    async def models(self) -> list[EngineModel]:
        """Return the one model that is loaded."""
        async with self._explained():
            return [replace(model, loaded=True) for model in await super().models()]

    async def busy_slots(self) -> int:
        """Return how many requests the model is answering."""
        async with self._explained():
            slots = await self._transport.json_list("GET", "/slots")
        return sum(bool(slot.get("is_processing")) for slot in slots)

    def _check_fits(self, messages: int, characters: int) -> None:
        """Refuse what fits in no case.

        llama.cpp finds out too, but after seconds of work that nobody can end, and it keeps the
        memory that this took.
        """
        context = self.process.options.context_length
        if messages > context or characters > context * LONGEST_TOKEN:
            raise ContextLengthError(
                f"The prompt ({characters} characters in {max(messages, 1)} messages) exceeds the"
                f" context of {self.process.name}, which is {context} tokens. {TOO_LONG_ADVICE}"
            )

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for a place in the child.

        Who leaves while it waits here costs nothing; in the child's own queue it is not noticed.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await self._places.acquire()
        except TimeoutError as error:
            raise UnavailableError(
                f"The model {self.process.name} is busy: no place was free within"
                f" {self._timeout:g} seconds."
            ) from error
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        try:
            yield
        except ContextLengthError as error:
            raise ContextLengthError(_too_long(error.message, self.process.name)) from error
        except EngineError as error:
            # What this build or model lacks is the request's fault, though it is told as a 5xx.
            if "not support" in error.message:
                raise InvalidRequestError(error.message) from error
            if "too large to process" in error.message:
                raise ContextLengthError(f"{error.message} {TOO_LONG_ADVICE}") from error
            if _lost(error) and await self._ended():
                raise EngineCrashedError(
                    f"The process of the model {self.process.name} {self.process.exit_reason()}."
                    " It is loaded again at the next request."
                ) from error
            raise

    async def _ended(self) -> bool:
        deadline = time.monotonic() + EXIT_GRACE
        while self.process.alive() and time.monotonic() < deadline:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
        return not self.process.alive()


def _too_long(message: str, model: str) -> str:
    numbers = _TOKENS.findall(message)
    if len(numbers) == 2:
        message = f"The prompt has {numbers[0]} tokens, and {model} has room for {numbers[1]}."
    return f"{message} {TOO_LONG_ADVICE}"


def _lost(error: EngineError) -> bool:
    return isinstance(error.__cause__, aiohttp.ClientError | ConnectionError)


def _characters(request: GenerateRequest) -> int:
    return len(request.prompt or "") + sum(map(_characters_of, request.messages))


def _characters_of(message: Message) -> int:
    count = sum(len(call.arguments) for call in message.tool_calls)
    if isinstance(message.content, str):
        return count + len(message.content)
    for part in message.content or ():
        text = part.get("text") if isinstance(part, dict) else None
        count += len(text) if isinstance(text, str) else 0
    return count


def _prepared(request: GenerateRequest) -> GenerateRequest:
    options = dict(request.options)
    # With tools in sight and none allowed, llama.cpp passes the raw text of a call on.
    if options.get("tool_choice") == "none":
        for name in ("tools", "tool_choice", "parallel_tool_calls"):
            options.pop(name, None)
    # It notices that a client left when it writes, and without this it writes nothing while it
    # reads the prompt.
    options["return_progress"] = True
    return replace(request, options=options)
