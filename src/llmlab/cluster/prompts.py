"""``/inference`` and ``/api/v1/execute``: one prompt, one answer, and what it cost."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
from pydantic import ValidationError

from llmlab.cache.manager import CachedAnswer, ResponseCache
from llmlab.cache.single_call import SingleCall
from llmlab.cluster.calls import Call
from llmlab.cluster.dispatch import Dispatcher
from llmlab.cluster.inference import GOOD_ENDS, Inference
from llmlab.cluster.nodes import NodeRegistry
from llmlab.errors import DeadlineError, EngineError, NoWorkerError, UnavailableError
from llmlab.events import UsageTotals
from llmlab.protocol.lab import InferenceBody, InferenceResult
from llmlab.settings import Settings
from llmlab.types import GenerateRequest, Message

PATH = "/inference"
EXECUTE_DEADLINE = 300.0
# Seconds before the second and the third attempt.
_PAUSES = (0.5, 2.0)


class Prompts:
    """Answers single prompts.

    Args:
        nodes: Who is there.
        dispatcher: Brings prompts to workers.
        inference: The door to models that no worker has.
        cache: Stored answers; None for no cache.
        settings: The default model and strategy.
    """

    def __init__(
        self,
        nodes: NodeRegistry,
        dispatcher: Dispatcher,
        inference: Inference,
        cache: ResponseCache | None,
        settings: Settings,
    ) -> None:
        self._nodes = nodes
        self._dispatcher = dispatcher
        self._inference = inference
        self._cache = cache
        self._settings = settings
        self._flights = SingleCall[InferenceResult](
            on_shared=cache.count_coalesced if cache else None
        )

    async def infer(
        self, body: InferenceBody, *, tenant: str, cache_control: str | None = None
    ) -> InferenceResult:
        """Answer a prompt from the cache, or on a worker.

        Raises:
            LabError: There is no answer.
        """
        content = body.model_dump(exclude_none=True)
        content["model"] = body.model or self._settings.model
        key, fresh = self._inference.cache_key(
            PATH, content, tenant=tenant, cache_control=cache_control
        )
        if key is None:
            return await self._make(content)
        if not fresh and (stored := self._stored(key)) is not None:
            return stored
        flight = f"{key} fresh" if fresh else key
        result, shared = await self._flights.run(flight, lambda: self._make_and_keep(content, key))
        return result.model_copy(update={"response_cached": shared})

    async def execute(self, body: InferenceBody, *, tenant: str) -> InferenceResult:
        """Answer a prompt, with three attempts and a deadline of 5 minutes.

        Raises:
            NoWorkerError: There is nobody to ask.
            LabError: The last attempt failed too.
        """
        try:
            async with asyncio.timeout(EXECUTE_DEADLINE):
                for pause in _PAUSES:
                    try:
                        return await self.infer(body, tenant=tenant)
                    except NoWorkerError:
                        raise
                    except (EngineError, UnavailableError):
                        await asyncio.sleep(pause)
                return await self.infer(body, tenant=tenant)
        except TimeoutError as error:
            raise DeadlineError(
                f"There was no answer within {EXECUTE_DEADLINE:g} seconds."
            ) from error

    def _stored(self, key: str) -> InferenceResult | None:
        assert self._cache is not None
        began = time.perf_counter()
        stored = self._cache.get_key(key)
        if stored is None:
            return None
        result = InferenceResult.model_validate_json(stored.body)
        seconds = time.perf_counter() - began
        return result.model_copy(
            update={
                "response_cached": True,
                "load_time_sec": 0.0,
                "inference_time_sec": 0.0,
                "total_time_sec": seconds,
            }
        )

    async def _make_and_keep(self, content: dict[str, Any], key: str) -> InferenceResult:
        result = await self._make(content)
        if result.finish_reason in GOOD_ENDS and self._cache is not None:
            body = result.model_dump_json().encode()
            self._cache.put_key(key, CachedAnswer(body, node=result.node or ""))
        return result

    async def _make(self, content: dict[str, Any]) -> InferenceResult:
        nodes = self._nodes.serving(content["model"])
        if nodes and not any(node.is_worker for node in nodes):
            return await self._ask_external(content)
        whole = await self._dispatcher.whole(Call(PATH, content["model"], orjson.dumps(content)))
        try:
            result = InferenceResult.model_validate(whole.content)
        except ValidationError as error:
            raise EngineError(
                f"The node {whole.node} answered something that is not understood."
            ) from error
        return result.model_copy(update={"node": whole.node})

    async def _ask_external(self, content: dict[str, Any]) -> InferenceResult:
        """Ask a server that has no ``/inference``; what it costs in memory is its own affair."""
        began = time.perf_counter()
        request = GenerateRequest(
            content["model"],
            (Message("user", content["prompt"]),),
            options={name: content[name] for name in ("max_tokens", "temperature")},
        )
        answer = await self._inference.answer(request, cache=False)
        seconds = time.perf_counter() - began
        usage = answer.usage
        return InferenceResult(
            cache_hit=True,
            load_time_sec=0.0,
            inference_time_sec=seconds,
            total_time_sec=seconds,
            tokens_generated=usage.completion_tokens,
            gpu_memory_used_gb=0.0,
            model_name=content["model"],
            strategy=content.get("strategy") or self._settings.default_strategy,
            output=answer.text,
            usage=UsageTotals(
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                total_tokens=usage.total_tokens,
            ),
            finish_reason=answer.finish_reason,
            node=answer.node,
        )

    async def aclose(self) -> None:
        """Stop all generations."""
        await self._flights.aclose()
