"""The models in memory, over all workers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from pydantic import BaseModel, ValidationError

from llmlab.cluster.calls import Call
from llmlab.cluster.dispatch import Dispatcher
from llmlab.cluster.links import Links
from llmlab.cluster.nodes import Node, NodeRegistry
from llmlab.errors import EngineError, LabError, ModelNotFoundError
from llmlab.log import get_logger
from llmlab.protocol.lab import (
    LoadBody,
    LoadedModelEntry,
    LoadedModels,
    Unloaded,
)
from llmlab.types import NodeKind

logger = get_logger(__name__)

BodyT = TypeVar("BodyT", bound=BaseModel)

ASK_TIMEOUT = 5.0
UNLOAD_TIMEOUT = 30.0


class Fleet:
    """All workers as if they were one.

    Args:
        nodes: Who is there.
        links: The connections.
        dispatcher: Brings prompts to workers.
        load_timeout: Longest time in seconds that a load may take.
    """

    def __init__(
        self, nodes: NodeRegistry, links: Links, dispatcher: Dispatcher, *, load_timeout: float
    ) -> None:
        self._nodes = nodes
        self._links = links
        self._dispatcher = dispatcher
        self._load_timeout = load_timeout

    async def loaded(self) -> LoadedModels:
        """Return the loaded models of all workers that answer."""
        answers = await self._ask_all("GET", "/cache", LoadedModels, timeout=ASK_TIMEOUT)
        return LoadedModels(
            models=[
                entry.model_copy(update={"node": node.name})
                for node, answer in answers
                for entry in answer.models
            ],
            memory_used=sum(answer.memory_used for _, answer in answers),
            # Workers on one machine share its memory.
            memory_budget=_budget((node, answer.memory_budget) for node, answer in answers),
        )

    async def clear(self) -> Unloaded:
        """Unload every idle model of all workers."""
        answers = await self._ask_all("POST", "/cache/clear", Unloaded, timeout=UNLOAD_TIMEOUT)
        return Unloaded(unloaded=[name for _, answer in answers for name in answer.unloaded])

    async def unload(self, model: str, *, force: bool = False) -> Unloaded:
        """Unload one model wherever it is loaded; ``force`` also when it is answering.

        Raises:
            ModelNotFoundError: No worker has it loaded.
            LabError: A worker refused, for instance because the model is answering.
        """
        path = f"/cache/{quote(model, safe='/:')}{'?force=true' if force else ''}"
        failures: list[LabError] = []
        unloaded: list[str] = []
        for node in self._nodes.workers():
            try:
                answer = await self._ask(node, "DELETE", path, Unloaded, timeout=UNLOAD_TIMEOUT)
                unloaded += answer.unloaded
            except ModelNotFoundError:
                continue
            except LabError as error:
                failures.append(error)
        if failures and not unloaded:
            raise failures[0]
        if not unloaded:
            raise ModelNotFoundError(f"The model {model[:200]!r} is not loaded.", param="model")
        return Unloaded(unloaded=unloaded)

    async def load(self, body: LoadBody) -> LoadedModelEntry:
        """Bring a model into the memory of one worker that has it.

        Raises:
            LabError: No worker has the model, or none could load it.
        """
        call = Call("/models/load", body.model, orjson.dumps(body.model_dump(exclude_none=True)))
        whole = await self._dispatcher.whole(call, timeout=self._load_timeout)
        entry = _read(LoadedModelEntry, whole.content, whole.node)
        return entry.model_copy(update={"node": whole.node})

    async def _ask_all(
        self, method: str, path: str, kind: type[BodyT], *, timeout: float
    ) -> list[tuple[Node, BodyT]]:
        workers = self._nodes.workers()
        answers = await asyncio.gather(
            *(self._ask(node, method, path, kind, timeout=timeout) for node in workers),
            return_exceptions=True,
        )
        found: list[tuple[Node, BodyT]] = []
        for node, answer in zip(workers, answers, strict=True):
            if isinstance(answer, LabError):
                logger.warning("%s did not answer %s: %s", node.name, path, answer.message)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found.append((node, answer))
        return found

    async def _ask(
        self, node: Node, method: str, path: str, kind: type[BodyT], *, timeout: float
    ) -> BodyT:
        content = await self._links.call(node, method, path, timeout=timeout)
        return _read(kind, content, node.name)


def _read(kind: type[BodyT], content: Any, node: str) -> BodyT:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise EngineError(f"The node {node} answered something that is not understood.") from error


def _budget(budgets: Iterable[tuple[Node, int]]) -> int:
    local, elsewhere = 0, 0
    for node, budget in budgets:
        if node.kind is NodeKind.LOCAL:
            local = max(local, budget)
        else:
            elsewhere += budget
    return local + elsewhere
