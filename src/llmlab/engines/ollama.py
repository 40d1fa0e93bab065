"""Ollama by its native API, which tells more than its OpenAI one: digests, loaded models, pull.

Source: Ollama, docs/api.md.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import orjson

from llmlab.engines.base import Engine, EngineCapabilities, EngineModel
from llmlab.engines.transport import Transport
from llmlab.errors import EngineError, InvalidRequestError, LabError, ModelNotFoundError
from llmlab.types import (
    Chunk,
    FinishReason,
    GenerateRequest,
    JsonObject,
    JsonValue,
    Message,
    ToolCallDelta,
    Usage,
    new_id,
)

PROBE_DEADLINE = 5.0
LINE_LIMIT = 16 * 1024 * 1024

# Our names of sampling parameters to Ollama's.
_SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "max_tokens": "num_predict",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
}


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is; bytes of the layer at hand, 0 where Ollama does not tell."""

    status: str
    completed: int = 0
    total: int = 0


class OllamaEngine(Engine):
    """Dials an Ollama server.

    Args:
        base_url: Its address, such as ``http://127.0.0.1:11434``.
        api_key: A key, where something in front of it wants one.
        timeout: Longest time of one call, its stream included, in seconds.
        connect_timeout: Longest time to get a connection.
        headers: Further headers of every request.
    """

    name: ClassVar[str] = "ollama"
    capabilities: ClassVar[EngineCapabilities] = EngineCapabilities(
        embeddings=True, json_schema=True, tools=True
    )

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout: float = 300.0,
        connect_timeout: float = 5.0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        key = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._transport = Transport(
            base_url.rstrip("/").removesuffix("/v1").removesuffix("/api"),
            headers={**(headers or {}), **key},
            timeout=timeout,
            connect_timeout=connect_timeout,
        )

    @property
    def url(self) -> str:
        """The server's address."""
        return self._transport.base_url

    async def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Yield the answer's pieces; closing the generator stops the server's generation."""
        self.require(request)
        path = "/api/chat" if request.operation == "chat" else "/api/generate"
        reader = _AnswerReader()
        async with aclosing(self._lines(path, _request_body(request))) as lines:
            async for line in lines:
                for chunk in reader.read(line):
                    yield chunk
        if not reader.complete:
            raise EngineError(f"The answer of the server {self.url} ended before it was complete.")

    async def embed(self, model: str, inputs: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector for each text, in their order, and the tokens read."""
        if not inputs:
            raise InvalidRequestError("Give at least one text to embed.", param="input")
        body = {"model": model, "input": list(inputs)}
        answer = await self._transport.json("POST", "/api/embed", body)
        try:
            vectors = [[float(number) for number in vector] for vector in answer["embeddings"]]
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(f"The server {self.url} answered no embeddings.") from error
        if len(vectors) != len(inputs):
            raise EngineError(
                f"The server {self.url} answered {len(vectors)} embeddings for {len(inputs)} texts."
            )
        return vectors, Usage(_count(answer.get("prompt_eval_count")))

    async def models(self) -> list[EngineModel]:
        """Return the models that were pulled, and which of them are in memory."""
        loaded = {entry.id for entry in await self.running()}
        return [
            _model(entry, loaded=str(entry.get("model") or entry.get("name")) in loaded)
            for entry in await self._entries("/api/tags")
        ]

    async def running(self) -> list[EngineModel]:
        """Return the models that are in memory."""
        return [_model(entry, loaded=True) for entry in await self._entries("/api/ps")]

    async def show(self, model: str) -> EngineModel:
        """Return what Ollama tells of one model: its context length and abilities.

        Raises:
            ModelNotFoundError: It was not pulled.
        """
        answer = await self._transport.json("POST", "/api/show", {"model": model})
        info = answer.get("model_info")
        info = info if isinstance(info, dict) else {}
        length = info.get(f"{info.get('general.architecture')}.context_length")
        abilities = answer.get("capabilities")
        embeddings = isinstance(abilities, list) and "embedding" in abilities
        return EngineModel(model, context_length=_count(length), embeddings=embeddings)

    async def pull(self, model: str) -> AsyncIterator[PullProgress]:
        """Let Ollama download a model and yield how far it is; it may take hours.

        Raises:
            ModelNotFoundError: Ollama's library has no such model.
            EngineError: The download failed or ended early.
        """
        done = False
        async with aclosing(self._lines("/api/pull", {"model": model, "stream": True})) as lines:
            async for line in lines:
                status = str(line.get("status", ""))[:500]
                done = done or status == "success"
                yield PullProgress(status, _count(line.get("completed")), _count(line.get("total")))
        if not done:
            raise EngineError(f"The server {self.url} did not finish to pull {model}.")

    async def healthy(self) -> bool:
        """Return whether the server tells its version now."""
        try:
            await self._transport.json("GET", "/api/version", timeout=PROBE_DEADLINE)
        except LabError:
            return False
        return True

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def dispose(self) -> None:
        """Begin to close the connections, from any thread."""
        self._transport.dispose()

    async def _entries(self, path: str) -> list[dict[str, Any]]:
        answer = await self._transport.json("GET", path, timeout=PROBE_DEADLINE)
        entries = answer.get("models")
        if not isinstance(entries, list):
            raise EngineError(f"The server {self.url} answered no list of models.")
        return [entry for entry in entries if isinstance(entry, dict) and _name(entry)]

    async def _lines(self, path: str, body: object) -> AsyncGenerator[dict[str, Any], None]:
        async with self._transport.stream(path, body) as (_, pieces):
            pending = b""
            async for piece in pieces:
                *lines, pending = (pending + piece).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield _decode(line)
                if len(pending) > LINE_LIMIT:
                    raise EngineError(f"The server {self.url} streamed an endless line.")
            if pending.strip():
                yield _decode(pending)


class _AnswerReader:
    """Reads the lines of one answer; ``complete`` when its last one came."""

    def __init__(self) -> None:
        self.complete = False
        self._calls = 0

    def read(self, line: dict[str, Any]) -> list[Chunk]:
        message = line.get("message")
        message = message if isinstance(message, dict) else {}
        text = message.get("content") or line.get("response") or ""
        reasoning = message.get("thinking") or line.get("thinking") or ""
        calls = self._read_calls(message.get("tool_calls"))
        chunks = []
        if text or reasoning or calls:
            chunks.append(Chunk(str(text), reasoning=str(reasoning), tool_calls=calls))
        if line.get("done"):
            self.complete = True
            usage = Usage(_count(line.get("prompt_eval_count")), _count(line.get("eval_count")))
            chunks += [Chunk(finish_reason=self._reason(line)), Chunk(usage=usage)]
        return chunks

    def _reason(self, line: dict[str, Any]) -> FinishReason:
        if line.get("done_reason") == "length":
            return "length"
        return "tool_calls" if self._calls else "stop"

    def _read_calls(self, calls: object) -> tuple[ToolCallDelta, ...]:
        found = []
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict):
                raise EngineError("Ollama streamed a tool call without a function.")
            arguments = orjson.dumps(function.get("arguments") or {}).decode()
            name = str(function.get("name", ""))
            # Ollama numbers no calls, and a client needs an id to answer one.
            found.append(ToolCallDelta(self._calls, new_id("call"), name, arguments))
            self._calls += 1
        return tuple(found)


def _request_body(request: GenerateRequest) -> JsonObject:
    options = request.options
    if (options.get("n") or 1) != 1:
        raise InvalidRequestError("The engine ollama gives one answer at a time.", param="n")
    sampling = {theirs: options[ours] for ours, theirs in _SAMPLING.items() if ours in options}
    body: JsonObject = {"model": request.model, "stream": True, "options": sampling}
    if (form := _format(options.get("response_format"))) is not None:
        body["format"] = form
    if request.prompt is not None:
        return body | {"prompt": request.prompt}
    if options.get("tools") and options.get("tool_choice") != "none":
        body["tools"] = options["tools"]
    names = {call.id: call.name for message in request.messages for call in message.tool_calls}
    return body | {"messages": [_message(message, names) for message in request.messages]}


def _format(given: JsonValue) -> JsonValue:
    if not isinstance(given, dict):
        return None
    if given.get("type") == "json_schema":
        schema = given.get("json_schema")
        return schema.get("schema") if isinstance(schema, dict) else None
    return "json" if given.get("type") == "json_object" else None


def _message(message: Message, names: Mapping[str, str]) -> JsonObject:
    text, images = _content(message.content)
    body: JsonObject = {"role": message.role, "content": text}
    if images:
        body["images"] = cast("list[JsonValue]", images)
    if message.tool_calls:
        body["tool_calls"] = [
            {"function": {"name": call.name, "arguments": _arguments(call.arguments)}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        body["tool_name"] = message.name or names.get(message.tool_call_id, "")
    return body


def _content(content: str | list[JsonValue] | None) -> tuple[str, list[str]]:
    """Return the text and the images (base64) of a message in OpenAI's content parts."""
    if not isinstance(content, list):
        return content or "", []
    texts, images = [], []
    for part in content:
        if not isinstance(part, dict):
            raise InvalidRequestError("A content part must be an object.", param="messages")
        if part.get("type") == "text":
            texts.append(str(part.get("text", "")))
        elif part.get("type") == "image_url":
            images.append(_image(part.get("image_url")))
        else:
            raise InvalidRequestError(
                f"The engine ollama does not support content of the type {part.get('type')!r}.",
                param="messages",
            )
    return "".join(texts), images


def _image(given: JsonValue) -> str:
    url = given.get("url") if isinstance(given, dict) else given
    head, _, data = str(url).partition(";base64,")
    # An address would have to be fetched, and who knows where it leads.
    if not head.startswith("data:image/") or not data:
        raise InvalidRequestError("Give images as data: URLs.", param="messages")
    return data


def _arguments(text: str) -> JsonValue:
    try:
        return cast("JsonValue", orjson.loads(text or "{}"))
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(
            "The arguments of a tool call must be JSON.", param="messages"
        ) from error


def _decode(line: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise EngineError("Ollama streamed something that is no JSON.") from error
    if not isinstance(content, dict):
        raise EngineError("Ollama streamed JSON that is no object.")
    if problem := content.get("error"):
        message = str(problem)[:500]
        missing = "not found" in message or "does not exist" in message
        raise (ModelNotFoundError if missing else EngineError)(message)
    return content


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("model") or entry.get("name") or "")[:500]


def _model(entry: Mapping[str, Any], *, loaded: bool) -> EngineModel:
    return EngineModel(
        id=_name(entry),
        digest=str(entry.get("digest") or "")[:100],
        size_bytes=_count(entry.get("size")),
        loaded=loaded,
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
