"""Bodies of the Lab API, which a worker serves and the coordinator serves too."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from llmlab.events import PlannedStep, StepRecord, UsageTotals
from llmlab.protocol.mesh import Load, ModelEntry
from llmlab.types import JsonObject, JsonValue

Strategy = Literal["standard", "optimized"]


class _Body(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class InferenceBody(_Body):
    """``POST /inference`` and ``POST /api/v1/execute``: one prompt, one answer."""

    prompt: str = Field(min_length=1)
    model: str | None = None
    strategy: Strategy | None = None
    max_tokens: int = Field(512, ge=1, le=2**31 - 1)
    temperature: float = Field(0.7, ge=0, le=2)
    cache: bool = True


class ExecutionRecord(_Body):
    """What one request cost; times in seconds, memory in GB.

    ``cache_hit`` tells that the model was already loaded.
    """

    cache_hit: bool
    load_time_sec: float
    inference_time_sec: float
    total_time_sec: float
    tokens_generated: int
    gpu_memory_used_gb: float
    model_name: str
    strategy: str


class InferenceResult(ExecutionRecord):
    """The answer to an :class:`InferenceBody`; ``response_cached``: not generated anew."""

    output: str
    usage: UsageTotals = Field(default_factory=UsageTotals)
    finish_reason: str | None = None
    node: str | None = None
    run_id: str | None = None
    response_cached: bool = False


class LoadedModelEntry(_Body):
    """A model in memory; ``last_used`` in Unix seconds."""

    model: str
    strategy: str
    engine: str
    memory_bytes: int
    in_flight: int
    loaded_at: float
    last_used: float
    load_time_sec: float
    node: str | None = None


class LoadedModels(_Body):
    """``GET /cache``: the loaded models, and memory in bytes."""

    models: list[LoadedModelEntry]
    memory_used: int
    memory_budget: int


class Unloaded(_Body):
    """Answer to ``POST /cache/clear`` and ``DELETE /cache/{model}``."""

    unloaded: list[str]


class ModelsReport(_Body):
    """``GET /models``: what can be served, loaded or not."""

    models: list[ModelEntry]


class LoadBody(_Body):
    """``POST /models/load``: bring a model into memory."""

    model: str
    strategy: Strategy | None = None


class DeviceReport(_Body):
    """A processor or an accelerator; memory in bytes, ``load`` from 0 to 1."""

    kind: str
    name: str
    memory_total: int
    memory_free: int
    load: float | None = None


class HealthReport(_Body):
    """``GET /health``: public, so it names no paths and no secrets."""

    status: Literal["ok", "starting", "degraded"]
    role: Literal["worker", "coordinator"]
    version: str
    instance_id: str
    uptime_seconds: float
    devices: list[DeviceReport] = Field(default_factory=list)
    load: Load = Field(default_factory=Load)
    nodes: int | None = None


class ToolCallBody(_Body):
    """``POST /tools/{name}``."""

    arguments: JsonObject = Field(default_factory=dict)


class ToolResult(_Body):
    """What a tool gave; wall-clock seconds."""

    tool: str
    output: JsonValue
    seconds: float


class ToolDefinition(_Body):
    """A tool described by the client, for a plan without running it."""

    name: str = Field(min_length=1, max_length=64)
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)


class ChatBody(_Body):
    """``POST /chat`` and ``/ws/chat``: one turn with planner and tools."""

    message: str = Field(min_length=1)
    session_id: str | None = Field(None, max_length=64)
    model: str | None = None
    stream: bool = False
    dry_run: bool = False
    cache: bool = True
    tools: list[ToolDefinition] | None = None


class ChatResult(_Body):
    """The answer to a :class:`ChatBody`."""

    answer: str
    run_id: str
    session_id: str | None = None
    plan: list[PlannedStep]
    steps: list[StepRecord]
    usage: UsageTotals


class NodeReport(_Body):
    """A node as ``GET /api/nodes`` shows it; ``last_seen`` in seconds before now."""

    id: str
    name: str
    kind: str
    status: Literal["alive", "lost", "left"]
    url: str | None
    version: str
    models: list[ModelEntry]
    tools: list[str]
    load: Load
    last_seen: float


class TaskReport(_Body):
    """A step seen from who does it, as ``GET /api/tasks`` lists them; Unix seconds."""

    run_id: str
    key: str
    kind: str
    status: str
    tool: str | None
    node: str | None
    assignee: str
    cache_hit: bool
    started_at: float
    seconds: float | None
    error: str | None


class CacheStats(_Body):
    """``GET /api/cache/stats``: the response cache; ``hit_rate`` from 0 to 1."""

    entries: int
    bytes: int
    max_bytes: int
    hits: int
    misses: int
    coalesced: int
    evictions: int
    expired: int
    hit_rate: float
