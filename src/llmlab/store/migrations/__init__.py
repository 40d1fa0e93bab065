"""Alembic migrations; imported only when a database is older than this program."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

FOLDER = Path(__file__).parent


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for our migrations on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring a database up to a revision, in the caller's transaction."""
    command.upgrade(configuration(connection), revision)
