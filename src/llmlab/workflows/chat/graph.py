"""The control flow of a chat turn, in LangGraph: plan, then step after step, then answer.

It has no checkpointer: what was done is recorded in the durable run, and nowhere else. The only
home of LangGraph, whose import takes a second or two: see :mod:`llmlab.workflows.chat.loading`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langsmith import tracing_context

from llmlab.workflows.chat import nodes
from llmlab.workflows.chat.state import AgentState, Turn

Graph: TypeAlias = Callable[[Turn], Awaitable[AgentState]]
Node: TypeAlias = Callable[[AgentState, Turn], Awaitable[dict[str, Any]]]


def build() -> Graph:
    """Return the compiled graph as a function of a turn."""
    builder = StateGraph(AgentState, context_schema=Turn)
    builder.add_node("plan", _node(nodes.make_plan))
    builder.add_node("execute", _node(nodes.run_step))
    builder.add_node("compose", _node(nodes.compose))
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", _after_plan, ["execute", "compose", END])
    builder.add_conditional_edges("execute", _after_step, ["execute", "compose"])
    builder.add_edge("compose", END)
    compiled = builder.compile()

    async def run(turn: Turn) -> AgentState:
        state = AgentState(plan=[], results=[], trace=[], answer="")
        # Whatever the environment says: no prompt is sent to a service for tracing.
        with tracing_context(enabled=False):
            final = await compiled.ainvoke(state, context=turn)
        return cast("AgentState", final)

    return run


def _node(work: Node) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def node(state: AgentState, runtime: Runtime[Turn]) -> dict[str, Any]:
        return await work(state, runtime.context)

    return node


def _after_plan(state: AgentState, runtime: Runtime[Turn]) -> str:
    if runtime.context.dry_run:
        return END
    return "compose" if nodes.is_plain(state["plan"]) else "execute"


def _after_step(state: AgentState) -> str:
    return "compose" if len(state["results"]) == len(state["plan"]) else "execute"
