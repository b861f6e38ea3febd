"""The tables of the history as the newest migration leaves them, for queries; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, String, Table, Text

VERSION_TABLE = "history_version"
"""Not Alembic's default name: Dagster keeps its own under that one, maybe in the same PostgreSQL database."""

HEAD = "0004"
"""The newest migration. Revisions are numbered, so a greater one is from a newer version of this program."""

METADATA = MetaData()

OBSERVATIONS = Table(
    "observations",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("litellm_version", String(100), nullable=False),
    Column("claude_code_version", String(100), nullable=False),
    Column("suite_revision", String(100), nullable=False),
    Column("upstream", String(20), nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("cell", String(300), nullable=False),
    Column("observed_at", String(40), nullable=False),
    Column("observation", Text, nullable=False),
    Column("variant", String(100), nullable=False, server_default="default"),
    Column("upstream_calls", Integer),
)
OBSERVED_ONCE = Index(
    "observations_once",
    OBSERVATIONS.c.run_id,
    OBSERVATIONS.c.variant,
    OBSERVATIONS.c.cell,
    OBSERVATIONS.c.observed_at,
    unique=True,
)
Index(
    "observations_by_versions",
    OBSERVATIONS.c.litellm_version,
    OBSERVATIONS.c.claude_code_version,
    OBSERVATIONS.c.upstream,
    OBSERVATIONS.c.observed_at,
)

CONTROLS = Table(
    "controls",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("litellm_version", String(100), nullable=False),
    Column("claude_code_version", String(100), nullable=False),
    Column("suite_revision", String(100), nullable=False),
    Column("upstream", String(20), nullable=False),
    Column("variant", String(100), nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("cell", String(300), nullable=False),
    Column("fault", String(100), nullable=False),
    Column("proven_at", String(40), nullable=False),
    Column("killed", Boolean, nullable=False),
    Column("explanation", Text, nullable=False),
)
PROVEN_ONCE = Index(
    "controls_once",
    CONTROLS.c.run_id,
    CONTROLS.c.variant,
    CONTROLS.c.cell,
    CONTROLS.c.fault,
    CONTROLS.c.proven_at,
    unique=True,
)

ENVIRONMENTS = Table(
    "environments",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("revision", String(100), nullable=False),
    Column("platform", String(100), nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("cell", String(300), nullable=False),
    Column("observed_at", String(40), nullable=False),
    Column("observation", Text, nullable=False),
)
RAN_ONCE = Index(
    "environments_once", ENVIRONMENTS.c.run_id, ENVIRONMENTS.c.cell, ENVIRONMENTS.c.observed_at, unique=True
)
