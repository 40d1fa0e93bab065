"""Queries on events, which are numbered from 1 in each run, without a gap."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from llmlab.events import Event, event_adapter
from llmlab.store.tables import events


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its number in the run and its time in Unix seconds."""

    number: int
    created_at: float
    event: Event


def add(connection: Connection, run_id: str, event: Event) -> StoredEvent:
    """Write the next event of a run.

    The number is taken inside the transaction, so that a write that fails leaves no gap.
    """
    newest = select(func.max(events.c.number)).where(events.c.run_id == run_id)
    number = (connection.execute(newest).scalar() or 0) + 1
    stored = StoredEvent(number, time.time(), event)
    connection.execute(
        insert(events),
        {
            "run_id": run_id,
            "number": number,
            "created_at": stored.created_at,
            "type": event.type,
            "data": event.model_dump(mode="json"),
        },
    )
    return stored


def after(
    connection: Connection, run_id: str, number: int = 0, *, limit: int = 1000
) -> list[StoredEvent]:
    """Return a run's events after a number, in order."""
    query = (
        select(events.c.number, events.c.created_at, events.c.data)
        .where(events.c.run_id == run_id, events.c.number > number)
        .order_by(events.c.number)
        .limit(limit)
    )
    rows = connection.execute(query)
    return [StoredEvent(n, at, event_adapter.validate_python(data)) for n, at, data in rows]
