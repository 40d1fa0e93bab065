"""Queries on runs: durable ones, and the accounting rows of single calls."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, select, update

from llmlab.store.rows import row_of, values_of
from llmlab.store.tables import runs
from llmlab.store.tables import unfinished as _unfinished
from llmlab.types import JsonObject, Usage

RunStatus: TypeAlias = Literal["running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of anything; ``created_at`` in Unix seconds, ``seconds`` once it ended.

    ``durable`` false: a single call that was written down after it was answered; ``node`` and
    ``cache_hit`` belong to these alone.
    """

    id: str
    kind: str
    durable: bool = True
    status: RunStatus = "running"
    tenant: str
    session_id: str | None = None
    model: str | None = None
    input: JsonObject | None = None
    output: JsonObject | None = None
    error_code: str | None = None
    error: str | None = None
    node: str | None = None
    cache_hit: bool = False
    usage: Usage = field(default_factory=Usage)
    attempts: int = 1
    created_at: float = field(default_factory=time.time)
    seconds: float | None = None


def add(connection: Connection, *new: Run) -> None:
    """Write new runs."""
    connection.execute(insert(runs), [row_of(run) for run in new])


def get(connection: Connection, run_id: str, *, tenant: str | None = None) -> Run | None:
    """Return a run; None where there is none, or it belongs to another tenant."""
    query = select(runs).where(runs.c.id == run_id)
    if tenant is not None:
        query = query.where(runs.c.tenant == tenant)
    row = connection.execute(query).mappings().first()
    return _run(row) if row else None


def listing(
    connection: Connection,
    *,
    tenant: str,
    kind: str | None = None,
    durable: bool | None = None,
    limit: int = 50,
    before: float | None = None,
) -> list[Run]:
    """Return a tenant's runs, newest first.

    Args:
        connection: The database.
        tenant: Whose runs.
        kind: Only runs of this kind.
        durable: Only durable runs (true) or single calls (false).
        limit: How many at most.
        before: Only runs made before this time.
    """
    query = select(runs).where(runs.c.tenant == tenant)
    if kind is not None:
        query = query.where(runs.c.kind == kind)
    if durable is not None:
        query = query.where(runs.c.durable == durable)
    if before is not None:
        query = query.where(runs.c.created_at < before)
    query = query.order_by(runs.c.created_at.desc()).limit(limit)
    return [_run(row) for row in connection.execute(query).mappings()]


def unfinished(connection: Connection) -> list[Run]:
    """Return the durable runs that have not ended, oldest first."""
    query = select(runs).where(_unfinished).order_by(runs.c.created_at)
    return [_run(row) for row in connection.execute(query).mappings()]


def resumed(connection: Connection, run_id: str) -> None:
    """Count that a run is driven once more."""
    changed = update(runs).where(runs.c.id == run_id).values(attempts=runs.c.attempts + 1)
    connection.execute(changed)


def finish(
    connection: Connection,
    run_id: str,
    *,
    status: RunStatus,
    seconds: float,
    output: JsonObject | None = None,
    error_code: str | None = None,
    error: str | None = None,
    usage: Usage | None = None,
) -> bool:
    """Write down how a run ended; false when it had ended before, and nothing is changed."""
    values: dict[str, Any] = {
        "status": status,
        "seconds": seconds,
        "output": output,
        "error_code": error_code,
        "error": error,
    }
    if usage is not None:
        values |= asdict(usage)
    running = and_(runs.c.id == run_id, _unfinished)
    return connection.execute(update(runs).where(running).values(values)).rowcount > 0


def prune(connection: Connection, *, keep: int) -> int:
    """Remove all but the newest accounting rows and return how many went; durable runs stay."""
    single = runs.c.durable.is_(False)
    oldest_kept = (
        select(runs.c.created_at)
        .where(single)
        .order_by(runs.c.created_at.desc())
        .offset(keep - 1)
        .limit(1)
        .scalar_subquery()
    )
    return connection.execute(delete(runs).where(single, runs.c.created_at < oldest_kept)).rowcount


def count(connection: Connection, *, tenant: str | None = None) -> int:
    """Return how many runs there are."""
    query = select(func.count()).select_from(runs)
    if tenant is not None:
        query = query.where(runs.c.tenant == tenant)
    return connection.execute(query).scalar_one()


def _run(row: RowMapping) -> Run:
    return Run(**values_of(row))
