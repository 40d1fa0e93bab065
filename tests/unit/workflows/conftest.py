from tests.databases import sqlite, sqlite_url

__all__ = ["sqlite", "sqlite_url"]
