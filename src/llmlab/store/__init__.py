"""The only home of SQLAlchemy: database, tables, queries, migrations."""
