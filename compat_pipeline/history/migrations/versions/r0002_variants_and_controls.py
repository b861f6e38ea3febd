"""Observations name the proxy's configuration and count once; the controls tell when a cell was proven to go red."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"

# A replay of the same append: a cell cannot be observed twice in one microsecond of one run.
_FORGET_REPLAYS = """
    DELETE FROM observations WHERE id NOT IN (SELECT min(id) FROM observations GROUP BY run_id, cell, observed_at)
"""


def upgrade() -> None:
    op.add_column("observations", sa.Column("variant", sa.String(100), nullable=False, server_default="default"))
    op.execute(_FORGET_REPLAYS)
    op.create_index("observations_once", "observations", ["run_id", "variant", "cell", "observed_at"], unique=True)
    op.create_table(
        "controls",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("litellm_version", sa.String(100), nullable=False),
        sa.Column("claude_code_version", sa.String(100), nullable=False),
        sa.Column("suite_revision", sa.String(100), nullable=False),
        sa.Column("upstream", sa.String(20), nullable=False),
        sa.Column("variant", sa.String(100), nullable=False),
        sa.Column("run_id", sa.String(100), nullable=False),
        sa.Column("cell", sa.String(300), nullable=False),
        sa.Column("fault", sa.String(100), nullable=False),
        sa.Column("proven_at", sa.String(40), nullable=False),
        sa.Column("killed", sa.Boolean, nullable=False),
        sa.Column("explanation", sa.Text, nullable=False),
    )
    op.create_index("controls_once", "controls", ["run_id", "variant", "cell", "fault", "proven_at"], unique=True)
