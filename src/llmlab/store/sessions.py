"""Queries on sessions: conversations with their history."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Select, and_, delete, func, insert, select, update

from llmlab.store.tables import messages, sessions

_TITLE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation; times in Unix seconds."""

    id: str
    title: str
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class SessionMessage:
    """What was said; ``number`` counts from 1 in the session."""

    number: int
    run_id: str
    role: Literal["user", "assistant"]
    content: str
    created_at: float


def say(
    connection: Connection,
    *,
    tenant: str,
    session_id: str,
    run_id: str,
    role: Literal["user", "assistant"],
    content: str,
) -> None:
    """Add a message to a session, which is made when it is new."""
    now = time.time()
    at = and_(sessions.c.tenant == tenant, sessions.c.id == session_id)
    touched = connection.execute(update(sessions).where(at).values(updated_at=now))
    if touched.rowcount == 0:
        title = " ".join(content.split())[:_TITLE_LENGTH]
        new = {"tenant": tenant, "id": session_id, "title": title}
        connection.execute(insert(sessions), new | {"created_at": now, "updated_at": now})
    newest: int | None = connection.execute(_of_session(tenant, session_id)).scalar()
    number = (newest or 0) + 1
    connection.execute(
        insert(messages),
        {
            "tenant": tenant,
            "session_id": session_id,
            "number": number,
            "run_id": run_id,
            "role": role,
            "content": content,
            "created_at": now,
        },
    )


def history(
    connection: Connection, *, tenant: str, session_id: str, turns: int, before: str = ""
) -> list[tuple[str, str]]:
    """Return the newest answered turns as (user, assistant), oldest first.

    A turn without an answer (it failed, or runs still) is left out. With the id of a run in
    ``before``, only turns that were answered when that run began are there, however late it asks.
    """
    asked = messages.alias("asked")
    answered = messages.alias("answered")
    same = and_(
        asked.c.tenant == answered.c.tenant,
        asked.c.session_id == answered.c.session_id,
        asked.c.run_id == answered.c.run_id,
    )
    query = (
        select(asked.c.content, answered.c.content)
        .join_from(asked, answered, same)
        .where(
            asked.c.tenant == tenant,
            asked.c.session_id == session_id,
            asked.c.role == "user",
            answered.c.role == "assistant",
        )
        .order_by(answered.c.number.desc())
        .limit(turns)
    )
    began = connection.execute(
        _of_session(tenant, session_id).where(
            messages.c.run_id == before, messages.c.role == "user"
        )
    )
    if number := began.scalar():
        query = query.where(answered.c.number < number)
    return [(user, assistant) for user, assistant in reversed(connection.execute(query).all())]


def listing(connection: Connection, *, tenant: str, limit: int = 50) -> list[Session]:
    """Return a tenant's sessions, the newest first."""
    query = _sessions(tenant).order_by(sessions.c.updated_at.desc()).limit(limit)
    return [Session(**row) for row in connection.execute(query).mappings()]


def get(connection: Connection, session_id: str, *, tenant: str) -> Session | None:
    """Return a session; None where the tenant has none of this id."""
    query = _sessions(tenant).where(sessions.c.id == session_id)
    row = connection.execute(query).mappings().first()
    return Session(**row) if row else None


def transcript(
    connection: Connection, session_id: str, *, tenant: str, limit: int = 1000
) -> list[SessionMessage]:
    """Return the newest messages of a session, oldest first."""
    query = (
        select(
            messages.c.number,
            messages.c.run_id,
            messages.c.role,
            messages.c.content,
            messages.c.created_at,
        )
        .where(messages.c.tenant == tenant, messages.c.session_id == session_id)
        .order_by(messages.c.number.desc())
        .limit(limit)
    )
    found = connection.execute(query).mappings().all()
    return [SessionMessage(**row) for row in reversed(found)]


def remove(connection: Connection, session_id: str, *, tenant: str) -> bool:
    """Remove a session with its messages; false where there was none. Its runs stay."""
    at = and_(sessions.c.tenant == tenant, sessions.c.id == session_id)
    return connection.execute(delete(sessions).where(at)).rowcount > 0


def _of_session(tenant: str, session_id: str) -> Select[int]:
    return select(func.max(messages.c.number)).where(
        messages.c.tenant == tenant, messages.c.session_id == session_id
    )


def _sessions(tenant: str) -> Select[str, str, float, float]:
    columns = (sessions.c.id, sessions.c.title, sessions.c.created_at, sessions.c.updated_at)
    return select(*columns).where(sessions.c.tenant == tenant)
