"""Loads the chat graph in a thread, so that LangGraph delays neither the start nor a request."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmlab.workflows.chat.graph import Graph

# Variables by which LangChain sends every prompt to a service outside, or refuses to run.
_TRACING = (
    "LANGCHAIN_TRACING",
    "LANGCHAIN_TRACING_V2",
    "LANGCHAIN_HANDLER",
    "LANGSMITH_TRACING",
    "LANGSMITH_TRACING_V2",
)


class GraphLoader:
    """Builds the graph once: at the start in the background, or at first use."""

    def __init__(self) -> None:
        self._loading: asyncio.Task[Graph] | None = None

    def begin(self) -> None:
        """Start to build it where that has not been done."""
        if self._loading is None or _failed(self._loading):
            self._loading = asyncio.create_task(asyncio.to_thread(_build), name="load LangGraph")

    async def get(self) -> Graph:
        """Return the graph once it is built."""
        self.begin()
        assert self._loading is not None
        # One caller that leaves must not take it from the others.
        return await asyncio.shield(self._loading)

    async def close(self) -> None:
        """Wait for what was begun; an import cannot be stopped."""
        if self._loading is not None:
            await asyncio.wait([self._loading])


def _build() -> Graph:
    for variable in _TRACING:
        os.environ.pop(variable, None)
    from llmlab.workflows.chat.graph import build

    return build()


def _failed(loading: asyncio.Task[Graph]) -> bool:
    return loading.done() and (loading.cancelled() or loading.exception() is not None)
