"""OpenAI's bodies: checked on the way in, written on the way out, and read from engines.

Source: OpenAI API reference, chat completions, completions, embeddings and models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, cast

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from llmlab.errors import InvalidRequestError
from llmlab.protocol.openai_shapes import (
    ContentPart,
    ResponseFormat,
    ToolChoice,
    ToolDefinitions,
)
from llmlab.types import (
    GenerateRequest,
    JsonObject,
    JsonValue,
    Message,
    ToolCall,
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
_OUTSIDE = frozenset(
    {"model", "messages", "prompt", "stream", "stream_options", "user", "cache", *_UNSUPPORTED}
)


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
