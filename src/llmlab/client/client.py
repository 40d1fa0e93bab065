"""Python client of the HTTP API, synchronous: what the command line and scripts use.

Every method raises the error that the lab answered with, rebuilt (a subclass of ``LabError``),
:class:`NodeUnreachableError` where no lab answers and :class:`DeadlineError` where one is too slow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import orjson
from pydantic import BaseModel, ValidationError

from llmlab.errors import DeadlineError, EngineError, NodeUnreachableError
from llmlab.events import Event, event_adapter
from llmlab.protocol.errors import decode_error
from llmlab.protocol.lab import (
    CacheStats,
    ChatBody,
    ChatResult,
    HealthReport,
    InferenceBody,
    InferenceResult,
    LoadBody,
    LoadedModelEntry,
    LoadedModels,
    ModelsReport,
    NodeReport,
    TaskReport,
    Unloaded,
)
from llmlab.types import JsonObject

BodyT = TypeVar("BodyT", bound=BaseModel)


class LabClient:
    """Talks to a running lab; use it as a context manager, or close it.

    Args:
        url: Address of the lab, without a path.
        key: API key; ``llmlab key`` prints it.
        timeout: Longest silence of the lab, in seconds.
        connect_timeout: Longest wait for a connection, in seconds.
        transport: Replaces the network, for tests.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 300.0,
        connect_timeout: float = 5.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, connect=connect_timeout),
            transport=transport,
            # A proxy in the environment is for the world outside, not for the lab.
            trust_env=False,
        )

    def __enter__(self) -> LabClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> HealthReport:
        """Return how the lab is; needs no key."""
        return self._read(HealthReport, "GET", "/health")

    def chat(self, body: ChatBody) -> ChatResult:
        """Ask one question and wait for the answer; ``dry_run`` gives the plan alone."""
        return self._read(ChatResult, "POST", "/chat", body.model_copy(update={"stream": False}))

    @contextlib.contextmanager
    def chat_stream(self, body: ChatBody) -> Iterator[Iterator[Event]]:
        """Ask one question; the events of the run come as they happen.

        Leaving the block early drops the connection; the lab finishes the run by itself.
        """
        content = body.model_copy(update={"stream": True}).model_dump(exclude_none=True)
        with self._errors(), self._http.stream("POST", "/chat", json=content) as response:
            if response.status_code >= 400:
                raise _error(response, response.read())
            yield _events(response.iter_lines())

    def inference(self, body: InferenceBody) -> InferenceResult:
        """Run one prompt on one model, without a plan."""
        return self._read(InferenceResult, "POST", "/inference", body)

    def models(self) -> ModelsReport:
        """Return what the lab's nodes can serve, loaded or not."""
        return self._read(ModelsReport, "GET", "/models")

    def loaded(self) -> LoadedModels:
        """Return the models that are in memory, over all workers."""
        return self._read(LoadedModels, "GET", "/cache")

    def load(self, body: LoadBody) -> LoadedModelEntry:
        """Bring a model into a worker's memory and wait until it is there."""
        return self._read(LoadedModelEntry, "POST", "/models/load", body)

    def unload(self, model: str) -> Unloaded:
        """Remove a model from the memory of all workers."""
        return self._read(Unloaded, "DELETE", f"/cache/{quote(model, safe='/:')}")

    def unload_all(self) -> Unloaded:
        """Remove every idle model from memory."""
        return self._read(Unloaded, "POST", "/cache/clear")

    def nodes(self) -> list[NodeReport]:
        """Return the lab's nodes, dead ones included for a while."""
        return [_check(NodeReport, row) for row in self._rows("/api/nodes", "nodes")]

    def tasks(self, *, limit: int = 50) -> list[TaskReport]:
        """Return the newest steps with who did them."""
        return [_check(TaskReport, row) for row in self._rows("/api/tasks", "tasks", limit=limit)]

    def cache_stats(self) -> CacheStats:
        """Return the figures of the response cache."""
        return self._read(CacheStats, "GET", "/api/cache/stats")

    def clear_cache(self) -> JsonObject:
        """Forget every cached answer."""
        return self._json("POST", "/api/cache/clear")

    def runs(self, *, limit: int = 20) -> list[JsonObject]:
        """Return the newest runs."""
        return self._rows("/api/runs", "runs", limit=limit)

    def run(self, run_id: str) -> JsonObject:
        """Return one run with its steps."""
        return self._json("GET", f"/api/runs/{quote(run_id, safe='')}")

    def _rows(self, path: str, name: str, **query: int) -> list[JsonObject]:
        content = self._json("GET", path, query=query)
        rows = content.get(name)
        if not isinstance(rows, list):
            raise _foreign(self.url)
        return [row for row in rows if isinstance(row, dict)]

    def _read(
        self, kind: type[BodyT], method: str, path: str, body: BaseModel | None = None
    ) -> BodyT:
        return _check(kind, self._json(method, path, body))

    def _json(
        self,
        method: str,
        path: str,
        body: BaseModel | None = None,
        *,
        query: dict[str, int] | None = None,
    ) -> JsonObject:
        content = None if body is None else body.model_dump(exclude_none=True)
        with self._errors():
            response = self._http.request(method, path, json=content, params=query)
        if response.status_code >= 400:
            raise _error(response, response.content)
        try:
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise _foreign(self.url) from error
        if not isinstance(answer, dict):
            raise _foreign(self.url)
        return answer

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise NodeUnreachableError(
                f"No lab answers at {self.url}. Start one with `llmlab up`."
            ) from error
        except httpx.TimeoutException as error:
            raise DeadlineError(f"The lab at {self.url} did not answer in time.") from error
        except httpx.TransportError as error:
            raise NodeUnreachableError(
                f"The connection to {self.url} failed: {error or type(error).__name__}."
            ) from error


def _error(response: httpx.Response, body: bytes) -> Exception:
    return decode_error(response.status_code, body, retry_after=response.headers.get("retry-after"))


def _foreign(url: str) -> EngineError:
    return EngineError(f"What answers at {url} is no LLM Lab; another program uses this port.")


def _check(kind: type[BodyT], content: Any) -> BodyT:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise EngineError(
            f"The lab's answer is not understood ({kind.__name__});"
            " the command line and the lab may be of different versions."
        ) from error


def _events(lines: Iterable[str]) -> Iterator[Event]:
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            payload, data = "\n".join(data), []
            if payload != "[DONE]":
                yield _event(payload)


def _event(payload: str) -> Event:
    try:
        return event_adapter.validate_json(payload)
    except ValidationError as error:
        raise EngineError("The lab streamed an event that is not understood.") from error
