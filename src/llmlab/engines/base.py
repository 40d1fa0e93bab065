"""The contract of every engine, and what an engine can declare."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from llmlab.errors import InvalidRequestError
from llmlab.types import Chunk, GenerateRequest, Usage


@dataclass(frozen=True, slots=True)
class EngineCapabilities:
    """What an engine can do; ``launched`` ones run as a child process of the worker."""

    chat: bool = True
    completion: bool = True
    embeddings: bool = False
    streaming: bool = True
    json_schema: bool = False
    tools: bool = False
    logprobs: bool = False
    launched: bool = False


@dataclass(frozen=True, slots=True)
class EngineModel:
    """A model that an engine offers; 0 and ``""`` where the engine does not tell."""

    id: str
    digest: str = ""
    context_length: int = 0
    size_bytes: int = 0
    embeddings: bool = False
    loaded: bool = False


class Engine(ABC):
    """A runtime that can run models.

    Errors of the runtime and of the way to it come out as :class:`~llmlab.errors.LabError`.
    An engine belongs to the event loop that uses it first.
    """

    name: ClassVar[str]
    capabilities: ClassVar[EngineCapabilities]

    @abstractmethod
    def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Yield the answer's pieces as they come.

        It is an async generator: closing it stops the generation in the runtime too.

        Raises:
            InvalidRequestError: The engine refuses the request or lacks a capability.
            EngineError: The runtime failed, or answered what nobody understands.
            DeadlineError: It took longer than the engine's deadline.
        """

    @abstractmethod
    async def embed(self, model: str, inputs: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector for each text, in their order, and the tokens read."""

    @abstractmethod
    async def models(self) -> list[EngineModel]:
        """Return the models that the runtime offers."""

    @abstractmethod
    async def healthy(self) -> bool:
        """Return whether the runtime answers now; never raises."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of connections; the engine can be used again afterwards."""

    @abstractmethod
    def dispose(self) -> None:
        """Begin :meth:`aclose` from any thread, without waiting for it."""

    def require(self, request: GenerateRequest) -> None:
        """Check that this engine can do what a request needs.

        Raises:
            InvalidRequestError: It cannot; the message names what is missing.
        """
        for capability, (needed, param) in _needs(request).items():
            if needed and not getattr(self.capabilities, capability):
                words = capability.replace("_", " ")
                raise InvalidRequestError(
                    f"The engine {self.name} does not support {words}.", param=param
                )


def _needs(request: GenerateRequest) -> dict[str, tuple[bool, str]]:
    options = request.options
    format_ = options.get("response_format")
    schema = isinstance(format_, dict) and format_.get("type") == "json_schema"
    return {
        "chat": (request.operation == "chat", "messages"),
        "completion": (request.operation == "completion", "prompt"),
        "json_schema": (schema, "response_format"),
        "tools": (bool(options.get("tools")), "tools"),
        "logprobs": (bool(options.get("logprobs")), "logprobs"),
    }
