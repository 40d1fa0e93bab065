"""Queries on steps: the units of work of durable runs, and who did them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, and_, literal, null, select, update

from llmlab.protocol.lab import TaskReport
from llmlab.store.rows import row_of, values_of
from llmlab.store.tables import runs, steps
from llmlab.types import JsonValue, Usage

StepStatus: TypeAlias = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One unit of work of a run.

    ``status`` done: it has its result, which may be an ``error`` that the run goes on with;
    failed: it has none, and is done again when the run is driven again.
    """

    run_id: str
    key: str
    tenant: str
    kind: str
    status: StepStatus
    tool: str | None = None
    node: str | None = None
    cache_hit: bool = False
    usage: Usage = field(default_factory=Usage)
    started_at: float
    seconds: float | None = None
    output: JsonValue = None
    error_code: str | None = None
    error: str | None = None


@cache
def _upsert(dialect: str) -> Any:
    # Both have the clause that standard SQL lacks; only the one that is used is imported.
    statement = import_module(f"sqlalchemy.dialects.{dialect}").insert(steps)
    changed = [column for column in steps.c if not column.primary_key]
    return statement.on_conflict_do_update(
        index_elements=[steps.c.run_id, steps.c.key],
        set_={column.name: statement.excluded[column.name] for column in changed},
    )


def save(connection: Connection, step: Step) -> None:
    """Write a step, in the place of what was known of it."""
    connection.execute(_upsert(connection.dialect.name), row_of(step))


def close(connection: Connection, run_id: str) -> None:
    """Mark what still counts as running in a run that has ended."""
    running = and_(steps.c.run_id == run_id, steps.c.status == "running")
    connection.execute(
        update(steps).where(running).values(status="failed", error="The run ended before it did.")
    )


def of_run(connection: Connection, run_id: str) -> list[Step]:
    """Return a run's steps in the order in which they began."""
    query = select(steps).where(steps.c.run_id == run_id).order_by(steps.c.started_at, steps.c.key)
    return [_step(row) for row in connection.execute(query).mappings()]


def tasks(connection: Connection, *, tenant: str, limit: int = 100) -> list[TaskReport]:
    """Return the newest steps of a tenant, and single calls, as seen from who did them."""
    work = (
        select(
            steps.c.run_id,
            steps.c.key,
            steps.c.kind,
            steps.c.status,
            steps.c.tool,
            steps.c.node,
            steps.c.cache_hit,
            steps.c.started_at,
            steps.c.seconds,
            steps.c.error,
        )
        .where(steps.c.tenant == tenant)
        .order_by(steps.c.started_at.desc())
        .limit(limit)
    )
    calls = (
        select(
            runs.c.id,
            literal("call"),
            runs.c.kind,
            runs.c.status,
            null(),
            runs.c.node,
            runs.c.cache_hit,
            runs.c.created_at,
            runs.c.seconds,
            runs.c.error,
        )
        .where(runs.c.tenant == tenant, runs.c.durable.is_(False))
        .order_by(runs.c.created_at.desc())
        .limit(limit)
    )
    found = [row for query in (work, calls) for row in connection.execute(query)]
    names = [column.name for column in work.selected_columns]
    reports = [_report(dict(zip(names, row, strict=True))) for row in found]
    return sorted(reports, key=lambda report: report.started_at, reverse=True)[:limit]


def _report(values: dict[str, Any]) -> TaskReport:
    return TaskReport(assignee=values["tool"] or values["node"] or "coordinator", **values)


def _step(row: RowMapping) -> Step:
    return Step(**values_of(row))
