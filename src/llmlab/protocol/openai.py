"""OpenAI's bodies: checked on the way in, written on the way out, and read from engines.

Source: OpenAI API reference, chat completions, completions, embeddings and models.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar, cast

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from llmlab.errors import EngineError, InvalidRequestError
from llmlab.protocol.logprobs import as_completion, joined
from llmlab.protocol.openai_shapes import (
    ContentPart,
    ResponseFormat,
    ToolChoice,
    ToolDefinitions,
)
from llmlab.types import (
    Chunk,
    FinishReason,
    GenerateRequest,
    JsonObject,
    JsonValue,
    Message,
    Operation,
    ToolCall,
    ToolCallDelta,
    Usage,
    new_id,
)

NODE_HEADER = "x-llmlab-node"
CACHE_HEADER = "x-llmlab-cache"
RUN_HEADER = "x-llmlab-run"
HOPS_HEADER = "x-llmlab-hops"

# Engines count in 32 bits, and take others for something else.
MOST_TOKENS = 2**31 - 1
# Engines spend seconds on more, in which others wait.
MOST_BIASES = 1024
MOST_INPUTS = 2048

FINISH_REASONS: frozenset[str] = frozenset({"stop", "length", "tool_calls", "content_filter"})


class _Body(BaseModel):
    # Strict: a number as text is a mistake of the client, not a number.
    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())


class _Function(_Body):
    name: str
    arguments: str = ""


class _ToolCallBody(_Body):
    id: str = ""
    type: Literal["function"] = "function"
    function: _Function


class ChatMessageBody(_Body):
    """A message of a chat request."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[_ToolCallBody] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _has_content(self) -> ChatMessageBody:
        if self.content is None and not self.tool_calls:
            raise ValueError("a message needs content or tool_calls")
        return self


class _StreamOptions(_Body):
    include_usage: bool = False


class _Sampling(_Body):
    """What chat and completion have in common; absent fields take the engine's default."""

    model: str = Field(min_length=1, max_length=500)
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=0, le=MOST_TOKENS)
    min_p: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    n: int | None = Field(None, ge=1, le=16)
    max_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2, allow_inf_nan=False)
    frequency_penalty: float | None = Field(None, ge=-2, le=2, allow_inf_nan=False)
    repeat_penalty: float | None = Field(None, gt=0, le=10, allow_inf_nan=False)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = Field(
        None, max_length=MOST_BIASES
    )
    user: str | None = None
    # Ours: false leaves the response cache alone.
    cache: bool | None = None


class ChatCompletionBody(_Sampling):
    """``POST /v1/chat/completions``."""

    messages: list[ChatMessageBody] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: ToolDefinitions | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None


class CompletionBody(_Sampling):
    """``POST /v1/completions``; one prompt as text."""

    prompt: str | list[str]
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = Field(None, ge=1)


def _not_many(inputs: str | list[Any]) -> str | list[Any]:
    if isinstance(inputs, list) and len(inputs) > MOST_INPUTS:
        raise ValueError(f"a request has at most {MOST_INPUTS} inputs")
    return inputs


class EmbeddingBody(_Body):
    """``POST /v1/embeddings``."""

    model: str = Field(min_length=1, max_length=500)
    input: Annotated[str | list[str] | list[int] | list[list[int]], AfterValidator(_not_many)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1)
    user: str | None = None


# Parts of a completion that no engine of ours does, with the values that ask for nothing.
_UNSUPPORTED = {"echo": False, "suffix": "", "best_of": 1}

# What is not an option of the generation itself.
_OUTSIDE = frozenset({"model", "messages", "prompt", "stream", "stream_options", "user", "cache"})


BodyT = TypeVar("BodyT", bound=_Body)


def parse_json(body: bytes) -> dict[str, Any]:
    """Decode a request body.

    Raises:
        InvalidRequestError: The body is not a JSON object (NaN and deep nesting included).
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"The request body is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise InvalidRequestError("The request body must be a JSON object.")
    return content


def check(kind: type[BodyT], content: dict[str, Any]) -> BodyT:
    """Validate a decoded body.

    Raises:
        InvalidRequestError: A field is missing or wrong; ``param`` names the first one.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise invalid(error) from error
    except RecursionError as error:
        raise InvalidRequestError("The request body is nested too deeply.") from error


def invalid(error: ValidationError) -> InvalidRequestError:
    """Translate Pydantic's complaint into the lab's error, naming the first field at fault."""
    first = error.errors(include_url=False, include_input=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or None
    where = f"`{param}`: " if param else ""
    return InvalidRequestError(f"Invalid request: {where}{first['msg']}.", param=param)


def chat_request(body: ChatCompletionBody, *, model: str | None = None) -> GenerateRequest:
    """Return the generation that a chat body asks for; ``model`` replaces the body's name."""
    messages = tuple(_message(message) for message in body.messages)
    return GenerateRequest(model or body.model, messages, options=_options(body))


def completion_request(body: CompletionBody, *, model: str | None = None) -> GenerateRequest:
    """Return the generation that a completion body asks for.

    Raises:
        InvalidRequestError: More than one prompt was given, or something that no engine does.
    """
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    if len(prompts) != 1:
        raise InvalidRequestError("Give one prompt in a request.", param="prompt")
    for name, harmless in _UNSUPPORTED.items():
        if getattr(body, name) not in (None, harmless):
            raise InvalidRequestError(f"`{name}` is not supported by this engine.", param=name)
    return GenerateRequest(model or body.model, prompt=prompts[0], options=_options(body))


def _options(body: _Sampling) -> JsonObject:
    given = body.model_dump(exclude_none=True, exclude=set(_OUTSIDE))
    if "max_completion_tokens" in given:
        given["max_tokens"] = given.pop("max_completion_tokens")
    return given


def _message(body: ChatMessageBody) -> Message:
    calls = tuple(
        ToolCall(call.id, call.function.name, call.function.arguments)
        for call in body.tool_calls or ()
    )
    role = "system" if body.role == "developer" else body.role
    content = cast("str | list[JsonValue] | None", body.content)
    return Message(role, content, body.name, calls, body.tool_call_id)


def message_body(message: Message) -> JsonObject:
    """Return a message as it travels."""
    body: JsonObject = {"role": message.role, "content": message.content}
    if message.name is not None:
        body["name"] = message.name
    if message.tool_calls:
        body["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    return body


def request_body(request: GenerateRequest, *, stream: bool = True) -> JsonObject:
    """Return a generation as the body for an OpenAI-compatible server, with usage asked for."""
    body: JsonObject = {"model": request.model, **request.options}
    if request.prompt is None:
        body["messages"] = [message_body(message) for message in request.messages]
    else:
        body["prompt"] = request.prompt
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def read_usage(body: object) -> Usage | None:
    """Read a ``usage`` object; None where there is none."""
    if not isinstance(body, dict):
        return None
    details = body.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(
        int(body.get("prompt_tokens") or 0),
        int(body.get("completion_tokens") or 0),
        int(cached or 0),
    )


def usage_body(usage: Usage) -> JsonObject:
    """Return token counts as a ``usage`` object."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def read_chunks(payload: bytes) -> list[Chunk]:
    """Read one event of an OpenAI stream (chat or completion).

    Raises:
        EngineError: The payload is not such an event, or it carries an error.
    """
    try:
        event = orjson.loads(payload)
        if "error" in event:
            raise _stream_error(payload)
        chunks = [_read_choice(choice) for choice in event.get("choices") or ()]
        usage = read_usage(event.get("usage"))
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError, KeyError) as error:
        raise EngineError("The engine streamed something that is no OpenAI chunk.") from error
    if usage is not None:
        chunks.append(Chunk(usage=usage))
    return chunks


def _stream_error(payload: bytes) -> Exception:
    from llmlab.protocol.errors import decode_error

    return decode_error(502, payload)


def _read_choice(choice: dict[str, Any]) -> Chunk:
    # A full (not streamed) answer has `message` where a stream has `delta`.
    delta = choice.get("delta") or choice.get("message") or {}
    reason = choice.get("finish_reason")
    return Chunk(
        text=_text(delta.get("content") or choice.get("text")),
        index=int(choice.get("index") or 0),
        reasoning=_text(delta.get("reasoning_content")),
        tool_calls=tuple(
            _read_call(position, call)
            for position, call in enumerate(delta.get("tool_calls") or ())
        ),
        logprobs=choice.get("logprobs"),
        finish_reason=cast("FinishReason", reason if reason in FINISH_REASONS else "stop")
        if reason
        else None,
    )


def _text(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise TypeError("a piece of an answer is no text")
    return value or ""


def _read_call(position: int, call: dict[str, Any]) -> ToolCallDelta:
    function = call.get("function") or {}
    arguments = function.get("arguments") or ""
    return ToolCallDelta(
        int(call.get("index", position)),
        _text(call.get("id")) or None,
        _text(function.get("name")) or None,
        arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode(),
    )


class ChunkWriter:
    """Writes an answer in OpenAI's form: as stream payloads, or whole.

    Args:
        model: The name that the client asked for.
        operation: Chat or completion.
        include_usage: Whether the client asked for usage in a stream.
    """

    def __init__(self, model: str, operation: Operation, *, include_usage: bool = False) -> None:
        self.model = model
        self.operation = operation
        self.include_usage = include_usage
        self.id = new_id("chatcmpl" if operation == "chat" else "cmpl")
        self.created = int(time.time())
        self._started: set[int] = set()
        self._offsets: dict[int, int] = {}

    def payloads(self, chunk: Chunk) -> list[bytes]:
        """Return the stream payloads (none, one or more) of a chunk, without framing."""
        written: list[bytes] = []
        visible = chunk.text or chunk.reasoning or chunk.tool_calls or chunk.finish_reason
        if visible:
            written.append(self._event([self._stream_choice(chunk)]))
        if chunk.usage is not None and self.include_usage:
            written.append(self._event([], usage_body(chunk.usage)))
        return written

    def whole(self, chunks: Iterable[Chunk]) -> bytes:
        """Return the answer that a client gets that does not stream."""
        choices: dict[int, _Choice] = {}
        usage = Usage()
        for chunk in chunks:
            if chunk.usage is not None:
                usage = chunk.usage
            if chunk.usage is None or chunk.text or chunk.tool_calls or chunk.finish_reason:
                choices.setdefault(chunk.index, _Choice()).add(chunk)
        body = self._envelope(stream=False) | {
            "choices": [choices[index].body(index, self.operation) for index in sorted(choices)],
            "usage": usage_body(usage),
        }
        return orjson.dumps(body)

    def _envelope(self, *, stream: bool) -> JsonObject:
        kind = "text_completion"
        if self.operation == "chat":
            kind = "chat.completion.chunk" if stream else "chat.completion"
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _event(self, choices: list[JsonValue], usage: JsonObject | None = None) -> bytes:
        body = self._envelope(stream=True) | {"choices": choices}
        if self.include_usage:
            body["usage"] = usage
        return orjson.dumps(body)

    def _stream_choice(self, chunk: Chunk) -> JsonObject:
        choice: JsonObject = {"index": chunk.index}
        if self.operation == "completion":
            choice["text"] = chunk.text
        else:
            choice["delta"] = self._delta(chunk)
        return choice | {"logprobs": self._logprobs(chunk), "finish_reason": chunk.finish_reason}

    def _logprobs(self, chunk: Chunk) -> JsonObject | None:
        if self.operation == "chat":
            return chunk.logprobs
        offset = self._offsets.get(chunk.index, 0)
        self._offsets[chunk.index] = offset + len(chunk.text)
        return as_completion(chunk.logprobs, offset) if chunk.logprobs else None

    def _delta(self, chunk: Chunk) -> JsonObject:
        delta: JsonObject = {}
        if chunk.index not in self._started:
            self._started.add(chunk.index)
            delta |= {"role": "assistant", "content": "" if not chunk.tool_calls else None}
        if chunk.text:
            delta["content"] = chunk.text
        if chunk.reasoning:
            delta["reasoning_content"] = chunk.reasoning
        if chunk.tool_calls:
            delta["tool_calls"] = [_delta_call(call) for call in chunk.tool_calls]
        return delta


def _delta_call(call: ToolCallDelta) -> JsonObject:
    function: JsonObject = {"arguments": call.arguments}
    body: JsonObject = {"index": call.index, "function": function}
    if call.id is not None:
        body |= {"id": call.id, "type": "function"}
    if call.name is not None:
        function["name"] = call.name
    return body


class _Choice:
    """One choice of an answer while it is put together."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.calls: dict[int, ToolCall] = {}
        self.logprobs: list[tuple[int, JsonObject]] = []
        self.length = 0
        self.finish_reason: str | None = None

    def add(self, chunk: Chunk) -> None:
        self.text.append(chunk.text)
        self.reasoning.append(chunk.reasoning)
        for delta in chunk.tool_calls:
            known = self.calls.get(delta.index, ToolCall("", "", ""))
            self.calls[delta.index] = ToolCall(
                delta.id or known.id,
                known.name or delta.name or "",
                known.arguments + delta.arguments,
            )
        if chunk.logprobs:
            self.logprobs.append((self.length, chunk.logprobs))
        self.length += len(chunk.text)
        self.finish_reason = chunk.finish_reason or self.finish_reason

    def body(self, index: int, operation: Operation) -> JsonObject:
        choice: JsonObject = {"index": index, "finish_reason": self.finish_reason}
        text = "".join(self.text)
        if operation == "completion":
            parts = (as_completion(part, offset) for offset, part in self.logprobs)
            return choice | {"logprobs": joined(parts), "text": text}
        choice["logprobs"] = joined(part for _, part in self.logprobs)
        calls = tuple(self.calls[position] for position in sorted(self.calls))
        message = message_body(Message("assistant", text or (None if calls else ""), None, calls))
        if reasoning := "".join(self.reasoning):
            message["reasoning_content"] = reasoning
        return choice | {"message": message}


def embeddings_body(model: str, vectors: list[list[float]], usage: Usage) -> JsonObject:
    """Return embeddings (one vector of floats for each input) in OpenAI's form."""
    return {
        "object": "list",
        "model": model,
        "data": [
            {"object": "embedding", "index": index, "embedding": cast("list[JsonValue]", vector)}
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens},
    }


def models_body(models: Iterable[tuple[str, str]]) -> JsonObject:
    """Return a model list in OpenAI's form from pairs of id and owner."""
    return {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": 0, "owned_by": owner}
            for name, owner in models
        ],
    }
