"""Run by Alembic itself: the migrations go over the connection, and inside the transaction, that the store hands in."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], version_table=context.config.attributes["version_table"]
)
with context.begin_transaction():
    context.run_migrations()
