"""One request: finds the model or has it loaded, asks its engine, notes what it cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from llmlab.errors import DeadlineError, EngineCrashedError, LabError, ModelLoadingError
from llmlab.events import UsageTotals
from llmlab.models.hardware import GB
from llmlab.models.journal import Journal
from llmlab.models.manager import ModelManager
from llmlab.models.metrics import ModelMetrics
from llmlab.models.residents import Lease, LoadedModel, as_lab_error
from llmlab.protocol.lab import InferenceBody, InferenceResult
from llmlab.settings import Settings
from llmlab.types import Chunk, GenerateRequest, Message, Usage, new_id

LOADS_AT_ONCE = 8
CLOSE_GRACE = 1.0

T = TypeVar("T")


@dataclass(slots=True)
class _Call:
    """What one request cost, while it runs; times on the performance counter."""

    model: str
    started: float = field(default_factory=time.perf_counter)
    load_seconds: float | None = None
    first_token: float | None = None
    usage: Usage | None = None
    loaded: LoadedModel | None = None
    shown: bool = False
    retried: bool = False

    def see(self, chunk: Chunk) -> None:
        self.shown = True
        if self.first_token is None and (chunk.text or chunk.reasoning or chunk.tool_calls):
            self.first_token = time.perf_counter() - self.started
        if chunk.usage is not None:
            self.usage = chunk.usage

    def try_again(self) -> bool:
        """Whether a crash may be hidden: nothing was shown, and it need not be our fault.

        A process may die between two requests, and the first one to notice is not to blame. One
        that dies as soon as it was loaded for this request will do so again.
        """
        again = not (self.shown or self.retried or self.load_seconds is not None)
        self.retried = True
        return again


class ModelExecutor:
    """Runs requests on the models of a manager; belongs to one event loop.

    Args:
        manager: Loads and lends the models.
        settings: Deadlines, the default model, and the home folder.
        name: Name of the worker, for the file of its metrics.
        metrics: Where requests are counted.

    Attributes:
        manager: Loads and lends the models.
        metrics: Where requests are counted.
    """

    def __init__(
        self,
        manager: ModelManager,
        settings: Settings,
        *,
        name: str = "worker",
        metrics: ModelMetrics | None = None,
    ) -> None:
        self.manager = manager
        self.metrics = metrics or ModelMetrics()
        self._settings = settings
        self._journal = Journal(settings.home_folder, name, self.metrics)
        # A pool of its own: loads take seconds and must not keep short calls waiting.
        self._pool = ThreadPoolExecutor(LOADS_AT_ONCE, "llmlab-load")
        self._loads: dict[tuple[object, ...], asyncio.Task[LoadedModel]] = {}

    def generate(
        self, request: GenerateRequest, *, strategy: str | None = None
    ) -> AsyncIterator[Chunk]:
        """Return a generator of the answer's pieces; closing it stops the generation.

        Raises:
            EngineCrashedError: The model's process ended; the next request loads it again.
            LabError: The model does not exist, cannot be loaded, or refuses the request.
        """
        return self._run(_Call(request.model), request, strategy)

    async def embed(
        self, model: str, inputs: Sequence[str], *, strategy: str | None = None
    ) -> tuple[list[list[float]], Usage]:
        """Return one vector for each text, and the tokens read.

        Raises:
            LabError: As for :meth:`generate`.
        """
        call = _Call(model)
        outcome = "cancelled"
        try:
            vectors, call.usage = await self._embed(call, inputs, strategy)
            outcome = "ok"
        except LabError as error:
            outcome = error.code
            raise
        finally:
            self._count(call, outcome)
        return vectors, call.usage

    async def execute(self, body: InferenceBody) -> InferenceResult:
        """Answer one prompt, and keep the result and what it cost in the home folder.

        Raises:
            DeadlineError: It took longer than the settings allow.
            LabError: As for :meth:`generate`.
        """
        options = {"max_tokens": body.max_tokens, "temperature": body.temperature}
        request = GenerateRequest(
            body.model or self._settings.model, (Message("user", body.prompt),), options=options
        )
        call = _Call(request.model)
        limit = self._settings.request_timeout
        try:
            async with asyncio.timeout(limit):
                chunks = [chunk async for chunk in self._run(call, request, body.strategy)]
        except TimeoutError as error:
            raise DeadlineError(
                f"{request.model} did not finish within {limit:g} s (REQUEST_TIMEOUT)."
            ) from error
        result = _result(call, chunks, strategy=body.strategy)
        self._journal.start()
        self._journal.add(result)
        return result

    async def load(self, model: str, strategy: str | None = None, **kwargs: Any) -> LoadedModel:
        """Bring a model into memory; many who ask at once share one load.

        A caller who goes away does not end the load: the next one will want it.

        Raises:
            LabError: As for :meth:`ModelManager.load_model`.
        """
        wanted = (model, strategy, *sorted(kwargs.items()))
        loading = self._loads.get(wanted)
        if loading is None:
            loading = asyncio.create_task(
                self._in_thread(lambda: self.manager.load_model(model, strategy, **kwargs)),
                name=f"load {model}",
            )
            self._loads[wanted] = loading
            loading.add_done_callback(lambda task: self._loaded(wanted, task))
        try:
            return await asyncio.shield(loading)
        except LabError as error:
            raise as_lab_error(error, model) from error

    async def unload(self, model: str, *, force: bool = False) -> bool:
        """Take a model out of memory; see :meth:`ModelManager.unload_model`."""
        return await self._in_thread(lambda: self.manager.unload_model(model, force=force))

    async def aclose(self) -> None:
        """End everything, the manager included: no load, thread or child is left."""
        loaded = self.manager.loaded()
        await asyncio.to_thread(self.manager.close)
        deadline = time.perf_counter() + CLOSE_GRACE
        # Whoever still listens is about to hear of the end. Any thread may count them down.
        while any(m.in_flight for m in loaded) and time.perf_counter() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for model in loaded:
            await model.engine.aclose()
        if self._loads:
            await asyncio.wait(list(self._loads.values()))
        await asyncio.to_thread(self._pool.shutdown)
        await self._journal.aclose()

    # One request --------------------------------------------------------------------------

    async def _run(
        self, call: _Call, request: GenerateRequest, strategy: str | None
    ) -> AsyncGenerator[Chunk, None]:
        outcome = "cancelled"
        try:
            async with aclosing(self._attempt(call, request, strategy)) as chunks:
                async for chunk in chunks:
                    yield chunk
            outcome = "ok"
        except LabError as error:
            outcome = error.code
            raise
        finally:
            self._count(call, outcome)

    async def _attempt(
        self, call: _Call, request: GenerateRequest, strategy: str | None
    ) -> AsyncGenerator[Chunk, None]:
        while True:
            lease = self.manager.try_lease(request.model, strategy)
            if lease is None:
                lease = await self._load_and_lease(call, strategy)
            try:
                with lease as model:
                    call.loaded = model
                    async with aclosing(_stream(model, request)) as chunks:
                        async for chunk in chunks:
                            call.see(chunk)
                            yield chunk
            except EngineCrashedError:
                self.manager.report_crash(lease.model, answered=call.shown)
                if not call.try_again():
                    raise
            else:
                return

    async def _embed(
        self, call: _Call, inputs: Sequence[str], strategy: str | None
    ) -> tuple[list[list[float]], Usage]:
        while True:
            lease = await self._embedding_lease(call, strategy)
            try:
                with lease as model:
                    call.loaded = model
                    return await model.engine.embed(model.record.served_name, inputs)
            except EngineCrashedError:
                self.manager.report_crash(lease.model)
                if not call.try_again():
                    raise

    async def _load_and_lease(self, call: _Call, strategy: str | None, **kwargs: Any) -> Lease:
        started = time.perf_counter()
        deadline = started + self._settings.load_timeout
        while time.perf_counter() < deadline:
            model = await self.load(call.model, strategy, **kwargs)
            lease = self.manager.try_lease(model.key, strategy, **kwargs)
            if lease is not None:
                call.load_seconds = time.perf_counter() - started
                return lease
            # It left again before its turn came: memory is short, and others want it too.
        raise ModelLoadingError(f"{call.model} found no lasting place in memory; try again later.")

    async def _embedding_lease(self, call: _Call, strategy: str | None) -> Lease:
        lease = self.manager.try_lease(call.model, strategy)
        if lease is None:
            lease = await self._load_and_lease(call, strategy)
        options = lease.model.options
        if options is None or options.embeddings:
            return lease
        # A large model is loaded for embeddings only when somebody wants them.
        lease.release(used=False)
        lease = self.manager.try_lease(call.model, strategy, embeddings=True)
        if lease is None:
            lease = await self._load_and_lease(call, strategy, embeddings=True)
        return lease

    def _count(self, call: _Call, outcome: str) -> None:
        self._journal.start()
        self.metrics.request(
            # Names that no model has come from outside, in any number.
            call.loaded.key if call.loaded is not None else "",
            outcome,
            seconds=time.perf_counter() - call.started,
            first_token=call.first_token,
            load_seconds=call.load_seconds,
            usage=call.usage,
        )

    # Threads ------------------------------------------------------------------------------

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    def _loaded(self, wanted: tuple[object, ...], task: asyncio.Task[LoadedModel]) -> None:
        self._loads.pop(wanted, None)
        if not task.cancelled():
            # Everybody may have gone: an error that nobody awaits is not worth a warning.
            task.exception()


def _stream(model: LoadedModel, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
    name = model.record.served_name
    if request.model != name:
        request = replace(request, model=name)
    return cast("AsyncGenerator[Chunk, None]", model.engine.generate(request))


def _result(call: _Call, chunks: Sequence[Chunk], *, strategy: str | None) -> InferenceResult:
    total = time.perf_counter() - call.started
    load = call.load_seconds or 0.0
    model = call.loaded
    assert model is not None
    usage = call.usage or Usage(completion_tokens=sum(bool(chunk.text) for chunk in chunks))
    reasons = [chunk.finish_reason for chunk in chunks if chunk.finish_reason is not None]
    return InferenceResult(
        cache_hit=call.load_seconds is None,
        load_time_sec=load,
        inference_time_sec=total - load,
        total_time_sec=total,
        tokens_generated=usage.completion_tokens,
        gpu_memory_used_gb=model.accelerator_bytes / GB,
        model_name=model.key,
        strategy=strategy or model.strategy,
        output="".join(chunk.text for chunk in chunks),
        usage=UsageTotals(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            total_tokens=usage.total_tokens,
        ),
        finish_reason=reasons[-1] if reasons else None,
        run_id=new_id("run"),
    )
