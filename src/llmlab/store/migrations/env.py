"""Run by Alembic: applies migrations on the connection that it is given.

To write a new one, change the tables, then call ``alembic.command.revision`` with
``configuration(connection)``, ``autogenerate=True`` and the next number as ``rev_id``.
"""

from typing import Any, Literal

from alembic import context
from sqlalchemy.types import TypeDecorator

from llmlab.store.tables import metadata


def _plain(kind: str, item: Any, _: object) -> str | Literal[False]:
    # A migration must go on working when our own types change: it knows only what they store.
    return "sa.Text()" if kind == "type" and isinstance(item, TypeDecorator) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    render_item=_plain,
)
context.run_migrations()
