"""The tables. A change here comes with a migration and a new :data:`REVISION`.

Times are Unix seconds. JSON is kept as text, so that it reads the same from SQLite and from
PostgreSQL; nothing in it is ever executed or unpickled.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    desc,
    literal_column,
)
from sqlalchemy.types import TypeDecorator

# The newest file in migrations/versions; a test holds the two together.
REVISION = "0001"

# What is read where the database holds no JSON; it fits no step and no body.
DAMAGED = {"damaged": "The database holds no JSON here."}


class CleanText(TypeDecorator[str]):
    """Text that every database takes: PostgreSQL refuses NUL, and lone surrogates fit nowhere."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what cannot be stored by U+FFFD or a question mark."""
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.replace("\0", "\ufffd").encode(errors="replace").decode()


class Json(TypeDecorator[Any]):
    """Any JSON value as text; whole numbers of any size stay exact."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write the value; None is the database's NULL."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read the value; a damaged one says so, and harms no other row of a listing."""
        if value is None:
            return None
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return dict(DAMAGED)


# Named, so that a migration can change a constraint.
metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
    }
)

# As Alembic makes it.
alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

# Durable runs, and the accounting rows of single calls (`durable` false), which have no steps:
# who answered stands in the row itself.
runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("durable", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("session_id", CleanText),
    Column("model", CleanText),
    Column("input", Json),
    Column("output", Json),
    Column("error_code", Text),
    Column("error", CleanText),
    Column("node", CleanText),
    Column("cache_hit", Boolean, nullable=False, default=False),
    Column("prompt_tokens", Integer, nullable=False, default=0),
    Column("completion_tokens", Integer, nullable=False, default=0),
    Column("cached_tokens", Integer, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=1),
    Column("created_at", Double, nullable=False),
    Column("seconds", Double),
)
Index("runs_by_time", runs.c.tenant, desc(runs.c.created_at))
# Written out: a partial index serves no query whose condition comes as a parameter.
unfinished = runs.c.status == literal_column("'running'")
_runs_unfinished = Index("runs_unfinished", runs.c.created_at, sqlite_where=unfinished)


def prepare_for_postgresql() -> None:
    """Say to PostgreSQL, too, that an index is partial; saying so imports its dialect (0.1 s)."""
    _runs_unfinished.dialect_kwargs["postgresql_where"] = unfinished


steps = Table(
    "steps",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("tool", CleanText),
    Column("node", CleanText),
    Column("status", Text, nullable=False),
    Column("cache_hit", Boolean, nullable=False, default=False),
    Column("prompt_tokens", Integer, nullable=False, default=0),
    Column("completion_tokens", Integer, nullable=False, default=0),
    Column("cached_tokens", Integer, nullable=False, default=0),
    Column("started_at", Double, nullable=False),
    Column("seconds", Double),
    Column("output", Json),
    Column("error_code", Text),
    Column("error", CleanText),
)
Index("steps_by_time", steps.c.tenant, desc(steps.c.started_at))

events = Table(
    "events",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("created_at", Double, nullable=False),
    Column("type", Text, nullable=False),
    Column("data", Json, nullable=False),
)

# A client names its sessions, so a name belongs to a tenant: nobody can meet another's.
sessions = Table(
    "sessions",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", CleanText, primary_key=True),
    Column("title", CleanText, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)
Index("sessions_by_time", sessions.c.tenant, desc(sessions.c.updated_at))

messages = Table(
    "messages",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("session_id", CleanText, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("content", CleanText, nullable=False),
    Column("created_at", Double, nullable=False),
    ForeignKeyConstraint(
        ["tenant", "session_id"], ["sessions.tenant", "sessions.id"], ondelete="CASCADE"
    ),
)
