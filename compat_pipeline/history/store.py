"""History: an append-only table of observations in SQLite, or any database SQLAlchemy has a URL for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timezone
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from compat_pipeline.domain.observation import Observation
from compat_pipeline.domain.verdict import UpstreamMode
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import make_folder

_BUSY_TIMEOUT_S = 30.0

_OBSERVATIONS = Table(
    "observations",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("litellm_version", String(100), nullable=False),
    Column("claude_code_version", String(100), nullable=False),
    Column("suite_revision", String(100), nullable=False),
    Column("upstream", String(20), nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("cell", String(300), nullable=False),
    Column("observed_at", String(40), nullable=False),
    Column("observation", Text, nullable=False),
)
_BY_VERSIONS = Index(
    "observations_by_versions",
    _OBSERVATIONS.c.litellm_version,
    _OBSERVATIONS.c.claude_code_version,
    _OBSERVATIONS.c.upstream,
    _OBSERVATIONS.c.observed_at,
)


class RunContext(BaseModel):
    """What every observation of one run was made under."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    litellm_version: str = Field(min_length=1)
    claude_code_version: str = Field(min_length=1)
    suite_revision: str
    upstream: UpstreamMode
    run_id: str


class History:
    """The store at a file path (SQLite) or database URL, created on first use; safe with several writers at once.

    An append is one committed transaction: it is there in full, also after a killed process, or not at all.
    Every method raises CompatError that names the store when it cannot be read or written; nothing is ever deleted.
    """

    def __init__(self, where: Path | str) -> None:
        is_url = isinstance(where, str) and "://" in where
        try:
            url = make_url(str(where)) if is_url else make_url("sqlite://").set(database=str(Path(where).absolute()))
            self._name = url.render_as_string(hide_password=True) if is_url else str(where)
            self._engine = create_engine(url)
        except (ArgumentError, ImportError) as error:
            raise CompatError(f"cannot open the history: {error}", "give a file path or a database URL") from error
        if url.get_backend_name() == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)
            if url.database and url.database != ":memory:":
                make_folder(Path(url.database).parent)
        with self._transaction() as connection:
            connection.execute(CreateTable(_OBSERVATIONS, if_not_exists=True))
            connection.execute(CreateIndex(_BY_VERSIONS, if_not_exists=True))

    def append(self, run: RunContext, observations: Iterable[Observation]) -> None:
        """Add `observations`, all or none. Raises ValueError for a time without a time zone."""
        rows = [_row(run, observation) for observation in observations]
        if rows:
            with self._transaction() as connection:
                connection.execute(insert(_OBSERVATIONS), rows)

    def observations(
        self, litellm_version: str, claude_code_version: str, upstream: UpstreamMode, suite_revision: str
    ) -> list[Observation]:
        """Everything that may be compared: same versions, upstream mode and suite; by any run, in order of time."""
        columns = _OBSERVATIONS.c
        query = (
            select(columns.observation)
            .where(columns.litellm_version == litellm_version)
            .where(columns.claude_code_version == claude_code_version)
            .where(columns.upstream == upstream)
            .where(columns.suite_revision == suite_revision)
            .order_by(columns.observed_at, columns.id)
        )
        with self._transaction() as connection:
            documents = connection.execute(query).scalars().all()
        try:
            return [Observation.model_validate_json(document) for document in documents]
        except ValidationError as error:
            raise self._unusable(f"an observation in it is damaged: {error}") from error

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._unusable(str(getattr(error, "orig", None) or error)) from error

    def _unusable(self, why: str) -> CompatError:
        return CompatError(
            f"the history {self._name} cannot be used: {why}",
            "check its disk and owner, or move it away to start a new one; nothing in it was changed",
        )


def _row(run: RunContext, observation: Observation) -> dict[str, Any]:
    if observation.observed_at.tzinfo is None:
        raise ValueError(f"the observation of {observation.cell.key} has a time without a time zone")
    return {
        **run.model_dump(),
        "cell": observation.cell.key,
        "observed_at": observation.observed_at.astimezone(timezone.utc).isoformat(timespec="microseconds"),
        "observation": observation.model_dump_json(),
    }


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Readers do not wait for writers, and a writer waits for its turn instead of failing."""
    connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_TIMEOUT_S * 1000)}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
