"""Observations tell how often the upstreams were asked; NULL where it is not known, as of all that were made before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.add_column("observations", sa.Column("upstream_calls", sa.Integer))
