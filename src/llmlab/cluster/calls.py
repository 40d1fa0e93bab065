"""What travels through the one door: a call, and the reply to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from llmlab.types import Operation, Usage, new_id

CHAT_PATH = "/v1/chat/completions"
COMPLETION_PATH = "/v1/completions"
EMBEDDING_PATH = "/v1/embeddings"

# What a generation yields: bytes of its events, cut anywhere, and token counts at its end.
Piece: TypeAlias = bytes | Usage

_OPERATIONS: dict[str, Operation] = {CHAT_PATH: "chat", COMPLETION_PATH: "completion"}
GENERATING = frozenset(_OPERATIONS)


@dataclass(slots=True, eq=False)
class Call:
    """One request to an OpenAI route, checked, its body kept as bytes.

    Attributes:
        path: The route, ``/v1/...``.
        model: The model asked for.
        body: JSON for the node; a stream always asks for usage.
        stream: Whether the client wants server-sent events.
        with_usage: Whether the client wants usage in them.
        key: What the response cache knows the answer by; None leaves the cache alone.
        fresh: Whether a stored answer will not do; the new one replaces it.
        hops: How many labs it has come through.
        run_id: The id of its record.
    """

    path: str
    model: str
    body: bytes
    stream: bool = False
    with_usage: bool = True
    key: str | None = None
    fresh: bool = False
    hops: int = 0
    run_id: str = field(default_factory=lambda: new_id("run"))

    @property
    def operation(self) -> Operation | None:
        """What is generated; None where it is no text."""
        return _OPERATIONS.get(self.path)

    @property
    def workers_only(self) -> bool:
        """Whether other servers may not be asked: they lack the route, or would close a loop."""
        return self.hops > 0 or not self.path.startswith("/v1/")


class Events(Protocol):
    """The events of a stream, and the token counts once they have come by."""

    usage: Usage | None

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself."""
        ...

    async def __anext__(self) -> bytes:
        """Return the next bytes."""
        ...


@dataclass(slots=True, eq=False)
class Reply:
    """An answer on its way to the client; use ``async with`` so that a left one stops.

    Attributes:
        node: Name of the node that made it.
        cache_hit: Whether it was stored, or is made for an equal request at the same time.
        body: All of it (of a stream: the events), where it is known.
        pieces: Else the events of a stream, cut anywhere.
        usage: Token counts of a whole answer; ``pieces`` know a stream's at its end.
        closing: Lets go of the generation.
    """

    node: str
    cache_hit: bool
    body: bytes | None = None
    pieces: Events | None = None
    usage: Usage | None = None
    closing: Callable[[], Awaitable[None]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.closing is not None:
            await self.closing()
