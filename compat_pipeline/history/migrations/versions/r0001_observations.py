"""The observations, as they were before there were migrations; a database of that time is adopted as it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table(
        "observations",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("litellm_version", sa.String(100), nullable=False),
        sa.Column("claude_code_version", sa.String(100), nullable=False),
        sa.Column("suite_revision", sa.String(100), nullable=False),
        sa.Column("upstream", sa.String(20), nullable=False),
        sa.Column("run_id", sa.String(100), nullable=False),
        sa.Column("cell", sa.String(300), nullable=False),
        sa.Column("observed_at", sa.String(40), nullable=False),
        sa.Column("observation", sa.Text, nullable=False),
        if_not_exists=True,
    )
    by_versions = ["litellm_version", "claude_code_version", "upstream", "observed_at"]
    op.create_index("observations_by_versions", "observations", by_versions, if_not_exists=True)
