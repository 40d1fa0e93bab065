"""What travels through the one door: a call, and the reply to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from llmlab.types import Operation, new_id

CHAT_PATH = "/v1/chat/completions"
COMPLETION_PATH = "/v1/completions"
EMBEDDING_PATH = "/v1/embeddings"

_OPERATIONS: dict[str, Operation] = {CHAT_PATH: "chat", COMPLETION_PATH: "completion"}


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


@dataclass(slots=True, eq=False)
class Reply:
    """An answer on its way to the client; use ``async with`` so that a left one stops.

    Attributes:
        node: Name of the node that made it.
        cache_hit: Whether it was stored, or is made for an equal request at the same time.
        body: All of it (of a stream: the events), where it is known.
        pieces: Else the events of a stream, cut anywhere.
        closing: Lets go of the generation.
    """

    node: str
    cache_hit: bool
    body: bytes | None = None
    pieces: AsyncIterator[bytes] | None = None
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
