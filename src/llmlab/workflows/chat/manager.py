"""Chat turns as durable runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from llmlab.errors import InvalidRequestError
from llmlab.events import Event, RunDone
from llmlab.protocol.lab import ChatBody, ChatResult, ToolDefinition
from llmlab.settings import Settings
from llmlab.store import sessions
from llmlab.store.runs import Run
from llmlab.tools.registry import ToolRegistry
from llmlab.types import JsonObject, new_id
from llmlab.workflows.answerer import Answerer
from llmlab.workflows.chat.asker import Asker
from llmlab.workflows.chat.loading import GraphLoader
from llmlab.workflows.chat.state import Turn
from llmlab.workflows.chat.tool import ToolDescription
from llmlab.workflows.durable.context import RunContext, totals
from llmlab.workflows.durable.engine import Outcome, RunEngine, RunHandle

if TYPE_CHECKING:
    from llmlab.store.database import Work

KIND = "chat"
HISTORY_TURNS = 8
HISTORY_CHARACTERS = 8000


class WorkflowManager:
    """Answers messages with planner, tools and models; each turn is a durable run.

    Args:
        engine: Drives the runs.
        answerer: The way to the models.
        tools: The tools that steps may use.
        settings: The default model.
        node: Name of the node that runs the tools.
    """

    def __init__(
        self,
        engine: RunEngine,
        answerer: Answerer,
        tools: ToolRegistry,
        settings: Settings,
        *,
        node: str = "coordinator",
    ) -> None:
        self._engine = engine
        self._answerer = answerer
        self._tools = tools
        self._model = settings.model
        self._node = node
        self._graph = GraphLoader()
        self._unconstrained: dict[str, None] = {}
        engine.register(KIND, self._drive)

    def warm(self) -> None:
        """Begin to load LangGraph in the background, so that the first turn need not wait."""
        self._graph.begin()

    async def close(self) -> None:
        """Wait for what is being loaded; the runs are the engine's."""
        await self._graph.close()

    async def start(self, body: ChatBody, tenant: str) -> RunHandle:
        """Accept a turn and begin to answer it; it goes on when the caller leaves.

        Raises:
            InvalidRequestError: The body asks for what cannot be done.
            UnavailableError: Too many runs are under way, or the lab is stopping.
            StoreError: The turn could not be written down.
        """
        _check(body)
        session_id = body.session_id
        if session_id is None and not body.dry_run:
            session_id = new_id("session")
        return await self._engine.start(
            KIND,
            _input(body),
            tenant=tenant,
            session_id=session_id,
            model=body.model or self._model,
            also=None if body.dry_run else partial(_asked, body.message),
        )

    async def invoke(self, body: ChatBody, tenant: str) -> ChatResult:
        """Answer a message.

        Raises:
            LabError: As :meth:`start`, or the run failed.
        """
        handle = await self.start(body, tenant)
        done = await handle.result()
        return ChatResult(
            answer=done.answer,
            run_id=done.run_id,
            session_id=done.session_id,
            plan=done.plan,
            steps=done.steps,
            usage=done.usage,
        )

    async def plan(self, body: ChatBody, tenant: str) -> ChatResult:
        """Make the plan for a message without running it; the answer stays empty."""
        return await self.invoke(body.model_copy(update={"dry_run": True}), tenant)

    async def stream(self, body: ChatBody, tenant: str) -> AsyncIterator[Event]:
        """Yield the events of a turn: run, plan, step, token, and done or error.

        Raises:
            LabError: As :meth:`start`; later failures are events.
        """
        handle = await self.start(body, tenant)
        async for event in handle.events():
            yield event

    async def _drive(self, run: RunContext) -> Outcome:
        body = ChatBody.model_validate(run.input)
        turn = Turn(
            run=run,
            message=body.message,
            history=await self._history(run.run),
            offered=self._offered(body.tools),
            tools=self._tools,
            asker=Asker(
                self._answerer,
                model=run.run.model or self._model,
                tenant=run.run.tenant,
                cache=body.cache,
                patient=run.resumed,
                unconstrained=self._unconstrained,
            ),
            node=self._node,
            dry_run=body.dry_run,
        )
        graph = await self._graph.get()
        state = await graph(turn)
        done = RunDone(
            run_id=run.run.id,
            session_id=run.run.session_id,
            answer=state["answer"],
            plan=state["plan"],
            steps=run.records(),
            usage=totals(run.usage),
        )
        return Outcome(done, None if body.dry_run else _answered(run.run, done.answer))

    async def _history(self, run: Run) -> list[tuple[str, str]]:
        if run.session_id is None:
            return []
        turns = await self._engine.database.read(
            sessions.history,
            tenant=run.tenant,
            session_id=run.session_id,
            turns=HISTORY_TURNS,
            before=run.id,
        )
        return _newest(turns)

    def _offered(self, given: list[ToolDefinition] | None) -> list[ToolDescription]:
        if given is not None:
            return [ToolDescription(tool.name, tool.description, tool.parameters) for tool in given]
        return [
            ToolDescription(tool.name, tool.description, tool.input_schema)
            for tool in self._tools.tools()
        ]


def _check(body: ChatBody) -> None:
    if body.tools is None:
        return
    if not body.dry_run:
        raise InvalidRequestError(
            "The lab has no code for tools that a request brings along: it can plan with them "
            "(`dry_run`: true), not run them.",
            param="tools",
        )
    names = [tool.name for tool in body.tools]
    if len(set(names)) < len(names):
        raise InvalidRequestError("Two tools have the same name.", param="tools")
    for tool in body.tools:
        if not _describes_arguments(tool.parameters):
            raise InvalidRequestError(
                f"`parameters` of {tool.name} is not a JSON schema of an object.", param="tools"
            )


def _describes_arguments(schema: dict[str, Any]) -> bool:
    """Whether a schema has the shape that the prompts are made from."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not _are_names(required):
        return False
    return all(isinstance(value, dict) and _has_plain_type(value) for value in properties.values())


def _has_plain_type(schema: dict[str, Any]) -> bool:
    kind = schema.get("type", "any")
    return (isinstance(kind, str) or _are_names(kind)) and isinstance(schema.get("enum", []), list)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _input(body: ChatBody) -> JsonObject:
    content: JsonObject = body.model_dump(
        mode="json", include={"message", "dry_run", "cache", "tools"}, exclude_none=True
    )
    return content


def _asked(message: str, run: Run) -> Work:
    return _saying(run, "user", message)


def _answered(run: Run, answer: str) -> Work:
    return _saying(run, "assistant", answer)


def _saying(run: Run, role: Literal["user", "assistant"], content: str) -> Work:
    return partial(
        sessions.say,
        tenant=run.tenant,
        session_id=run.session_id or "",
        run_id=run.id,
        role=role,
        content=content,
    )


def _newest(turns: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keep as many of the newest turns as are short enough together."""
    kept: list[tuple[str, str]] = []
    room = HISTORY_CHARACTERS
    for turn in reversed(turns):
        room -= sum(map(len, turn))
        if room < 0:
            break
        kept.insert(0, turn)
    return kept
