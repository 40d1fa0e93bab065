from tests.databases import database, database_url, sqlite, sqlite_url
from tests.postgres import postgres

__all__ = ["database", "database_url", "postgres", "sqlite", "sqlite_url"]
