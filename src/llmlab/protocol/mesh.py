"""Messages of ``/ws/join``: how a node joins the lab and stays in it.

A node dials the coordinator, sends ``join`` and gets ``joined`` (or ``refused`` and a close).
Then it sends a ``heartbeat`` every ``heartbeat_interval`` seconds, and ``leave`` before it goes.
An ``epoch`` grows with every connection of an instance, so that the end of an old socket cannot
undo a newer one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter

from llmlab.types import NodeKind

PROTOCOL_VERSION = 1


class ModelEntry(BaseModel):
    """A model that a node can serve; ``size_bytes`` is that of the weights, 0 if unknown."""

    id: str
    engine: str
    digest: str = ""
    context_length: int = 0
    size_bytes: int = 0
    embeddings: bool = False
    loaded: bool = False
    demo: bool = False


class Capabilities(BaseModel):
    """What a node can do."""

    models: list[ModelEntry] = Field(default_factory=list)
    tools: list[str] = Field(default_factory=list)
    engines: list[str] = Field(default_factory=list)


class Load(BaseModel):
    """How busy a node is; memory in bytes."""

    in_flight: int = 0
    memory_used: int = 0
    memory_budget: int = 0


class Join(BaseModel):
    """A node introduces itself.

    ``instance_id`` is new with every process, ``name`` stays; ``url`` is where the node serves
    the Lab API, None where it cannot be dialled.
    """

    type: Literal["join"] = "join"
    protocol: int = PROTOCOL_VERSION
    kind: NodeKind
    name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    instance_id: str = Field(min_length=8, max_length=64)
    epoch: int = Field(ge=0)
    url: str | None = None
    version: str = ""
    pid: int = 0
    capabilities: Capabilities = Field(default_factory=Capabilities)
    load: Load = Field(default_factory=Load)


class Heartbeat(BaseModel):
    """A node is alive; ``capabilities`` only when they changed."""

    type: Literal["heartbeat"] = "heartbeat"
    load: Load = Field(default_factory=Load)
    capabilities: Capabilities | None = None


class Leave(BaseModel):
    """A node goes on purpose."""

    type: Literal["leave"] = "leave"


class Joined(BaseModel):
    """The coordinator took the node in."""

    type: Literal["joined"] = "joined"
    node_id: str
    heartbeat_interval: float


class Refused(BaseModel):
    """The coordinator did not take the node in."""

    type: Literal["refused"] = "refused"
    code: str
    message: str


FromNode = Annotated[Join | Heartbeat | Leave, Field(discriminator="type")]
FromCoordinator = Annotated[Joined | Refused, Field(discriminator="type")]
from_node: TypeAdapter[FromNode] = TypeAdapter(FromNode)
from_coordinator: TypeAdapter[FromCoordinator] = TypeAdapter(FromCoordinator)
