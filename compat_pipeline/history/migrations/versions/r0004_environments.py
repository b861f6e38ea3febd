"""Observations of the environment matrix: what one run of one environment saw."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.create_table(
        "environments",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("revision", sa.String(100), nullable=False),
        sa.Column("platform", sa.String(100), nullable=False),
        sa.Column("run_id", sa.String(100), nullable=False),
        sa.Column("cell", sa.String(300), nullable=False),
        sa.Column("observed_at", sa.String(40), nullable=False),
        sa.Column("observation", sa.Text, nullable=False),
    )
    op.create_index("environments_once", "environments", ["run_id", "cell", "observed_at"], unique=True)
