"""Any server that speaks OpenAI's API: llama-server, vLLM, LM Studio, OpenAI and others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, ClassVar

from llmlab.engines.base import Engine, EngineCapabilities, EngineModel
from llmlab.engines.transport import JSON_LIMIT, Transport, bounded
from llmlab.errors import EngineError, InvalidRequestError, LabError
from llmlab.protocol import sse
from llmlab.protocol.openai import request_body
from llmlab.protocol.openai_answers import read_chunks, read_usage
from llmlab.types import Chunk, GenerateRequest, Usage

PROBE_DEADLINE = 5.0


class OpenAIEngine(Engine):
    """Dials an OpenAI-compatible server.

    Args:
        base_url: Its address, with or without ``/v1``.
        api_key: The key that it wants.
        timeout: Longest time of one call, its stream included, in seconds.
        connect_timeout: Longest time to get a connection.
        headers: Further headers of every request.
        keep_connections: Whether connections are used again.
    """

    name: ClassVar[str] = "openai"
    capabilities: ClassVar[EngineCapabilities] = EngineCapabilities(
        embeddings=True, json_schema=True, tools=True, logprobs=True
    )

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout: float = 300.0,
        connect_timeout: float = 5.0,
        headers: Mapping[str, str] | None = None,
        keep_connections: bool = True,
    ) -> None:
        root = base_url.rstrip("/").removesuffix("/v1")
        key = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._transport = Transport(
            root,
            headers={**(headers or {}), **key},
            timeout=timeout,
            connect_timeout=connect_timeout,
            keep_connections=keep_connections,
        )

    @property
    def url(self) -> str:
        """The server's address, without ``/v1``."""
        return self._transport.base_url

    async def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Yield the answer's pieces; closing the generator stops the server's generation."""
        self.require(request)
        path = "/v1/chat/completions" if request.operation == "chat" else "/v1/completions"
        async with self._transport.stream(path, request_body(request)) as (response, pieces):
            if response.content_type != "text/event-stream":
                # Some servers cannot stream and answer at once instead.
                for chunk in self._whole(await bounded(response, JSON_LIMIT)):
                    yield chunk
                return
            usages: list[Usage] = []
            async with aclosing(self._streamed(pieces)) as chunks:
                async for chunk in chunks:
                    if chunk.usage is not None:
                        usages.append(chunk.usage)
                    # The opening event of a stream has a role and nothing else.
                    elif chunk != Chunk(index=chunk.index):
                        yield chunk
            if usages:
                yield Chunk(usage=_total(usages))

    async def _streamed(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[Chunk, None]:
        complete = False
        async with aclosing(sse.payloads(pieces)) as events:
            async for payload in events:
                if payload == sse.DONE_PAYLOAD:
                    if not complete:
                        yield Chunk(finish_reason="stop")
                    return
                for chunk in read_chunks(payload):
                    complete = complete or chunk.finish_reason is not None
                    yield chunk
        if not complete:
            raise EngineError(f"The answer of the server {self.url} ended before it was complete.")

    def _whole(self, body: bytes) -> list[Chunk]:
        chunks = read_chunks(body)
        if not any(chunk.finish_reason for chunk in chunks):
            raise EngineError(f"The server {self.url} answered something that is no answer.")
        return chunks

    async def embed(self, model: str, inputs: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector for each text, in their order, and the tokens read."""
        if not inputs:
            raise InvalidRequestError("Give at least one text to embed.", param="input")
        body = {"model": model, "input": list(inputs), "encoding_format": "float"}
        answer = await self._transport.json("POST", "/v1/embeddings", body)
        return self._vectors(answer, len(inputs)), read_usage(answer.get("usage")) or Usage()

    def _vectors(self, answer: dict[str, Any], count: int) -> list[list[float]]:
        try:
            entries = sorted(answer["data"], key=lambda entry: entry.get("index", 0))
            vectors = [[float(number) for number in entry["embedding"]] for entry in entries]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EngineError(f"The server {self.url} answered no embeddings.") from error
        if len(vectors) != count:
            raise EngineError(
                f"The server {self.url} answered {len(vectors)} embeddings for {count} texts."
            )
        return vectors

    async def models(self) -> list[EngineModel]:
        """Return the models that the server lists."""
        answer = await self._transport.json("GET", "/v1/models", timeout=PROBE_DEADLINE)
        entries = answer.get("data")
        if not isinstance(entries, list):
            raise EngineError(f"The server {self.url} answered no list of models.")
        return [_model(entry) for entry in entries if isinstance(entry, dict) and entry.get("id")]

    async def healthy(self) -> bool:
        """Return whether the server lists its models now."""
        try:
            await self.models()
        except LabError:
            return False
        return True

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def dispose(self) -> None:
        """Begin to close the connections, from any thread."""
        self._transport.dispose()


def _total(usages: Sequence[Usage]) -> Usage:
    # llama.cpp counts each choice of `n` on its own; they share one prompt.
    last = usages[-1]
    return replace(last, completion_tokens=sum(usage.completion_tokens for usage in usages))


def _model(entry: dict[str, Any]) -> EngineModel:
    # vLLM tells the length as `max_model_len`, llama-server in `meta`.
    meta = entry.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    length = entry.get("max_model_len") or meta.get("n_ctx") or meta.get("n_ctx_train")
    return EngineModel(
        id=str(entry["id"])[:500],
        context_length=_count(length),
        size_bytes=_count(meta.get("size")),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
