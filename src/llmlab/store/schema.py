"""Makes the tables of a new database, and brings those of an older one up to date."""

from __future__ import annotations

from sqlalchemy import Connection, Table, inspect, select, text

from llmlab.errors import StoreError
from llmlab.store.tables import REVISION, alembic_version, metadata

# Any number that no other program is likely to lock by ("llmlab" in ASCII).
_LOCK = 0x6C6C6D6C6162


def update(connection: Connection) -> None:
    """Bring a database to the newest schema, in the caller's transaction.

    A new one is made at once and marked as up to date, one that is up to date costs a single
    query; only an older one needs Alembic, whose import takes long.

    Raises:
        StoreError: A newer LLM Lab has made the database.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    found = revision(connection)
    if found == REVISION:
        return
    if found is None:
        _create(connection)
        return
    if not found.isdigit() or int(found) > int(REVISION):
        raise StoreError(
            f"The database has the schema of a newer LLM Lab ({found[:20]}, this one knows "
            f"{REVISION}). Update LLM Lab, or name another database in `database_url`."
        )
    from llmlab.store.migrations import upgrade

    upgrade(connection)


def revision(connection: Connection) -> str | None:
    """Return the revision of a database; None for one without our tables."""
    if not inspect(connection).has_table(alembic_version.name):
        return None
    return connection.execute(select(alembic_version.c.version_num)).scalar()


def _create(connection: Connection) -> None:
    tables: list[Table] = [*metadata.sorted_tables]
    for table in [*tables, alembic_version]:
        table.create(connection)
    connection.execute(alembic_version.insert().values(version_num=REVISION))
