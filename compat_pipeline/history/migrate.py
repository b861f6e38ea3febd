"""Bringing a history's tables up to date with Alembic, which is imported only when there is something to do."""

from __future__ import annotations

from threading import Lock

from sqlalchemy import Connection, column, inspect, select, table, text

from compat_pipeline.history.tables import HEAD, VERSION_TABLE

_PLACE_IN_THE_QUEUE = 0x636F6D706174
"""Key of PostgreSQL's advisory lock; any number that nobody else takes ("compat" in ASCII)."""

_ALEMBIC = Lock()
"""Alembic's `op` and `context` belong to the whole process."""


def schema_version(connection: Connection) -> str:
    """The revision the tables are at; empty when they are not there, or from before there were revisions."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return ""
    return connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar() or ""


def migrate(connection: Connection) -> None:
    """Run what is missing up to HEAD, inside the caller's transaction; whoever waited for another finds nothing to do.

    On SQLite the caller's transaction must hold the write lock from its beginning; on PostgreSQL a lock is taken here.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PLACE_IN_THE_QUEUE})
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "compat_pipeline.history:migrations")
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    with _ALEMBIC:
        command.upgrade(config, HEAD)
