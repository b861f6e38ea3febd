"""History: append-only tables of observations, of both matrices, and negative controls, in SQLite or PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Index,
    Select,
    Table,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.controls import ControlResult
from compat_pipeline.domain.environment_verdict import EnvironmentObservation
from compat_pipeline.domain.observation import Consumption, Observation
from compat_pipeline.domain.verdict import UpstreamMode
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.home import make_folder
from compat_pipeline.history.migrate import migrate, schema_version
from compat_pipeline.history.tables import (
    CONTROLS,
    ENVIRONMENTS,
    HEAD,
    OBSERVATIONS,
    OBSERVED_ONCE,
    PROVEN_ONCE,
    RAN_ONCE,
)

_Seen = TypeVar("_Seen")

_BUSY_TIMEOUT_S = 30.0
_NEXT = "set COMPAT_HISTORY_URL to a file path or a database URL, with an @ in its password written as %40"
_NOT_KEPT_ANY_MORE = {"calls", "input_tokens", "output_tokens"}
"""What older observations also hold: the calls went to the evidence, the tokens were the CLI's own count of some."""
# A database without an encoding of its own (SQL_ASCII) would answer with bytes.
_CONNECT_ARGS: Mapping[str, dict[str, Any]] = {"sqlite": {}, "postgresql": {"client_encoding": "utf8"}}


class RunContext(BaseModel):
    """What every observation of one run was made under. `variant` names the proxy's configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    litellm_version: str = Field(min_length=1)
    claude_code_version: str = Field(min_length=1)
    suite_revision: str
    upstream: UpstreamMode
    variant: str = Field(default="default", min_length=1)
    run_id: str


class History:
    """The store at a file path (SQLite) or database URL, created on first use; safe with several writers at once.

    An append is one committed transaction: it is there in full, also after a killed process, or not at all. A result
    counts once per run, variant, cell and instant, so an append that is repeated adds nothing. A database of an older
    version is brought up to date on opening; nothing in it is changed otherwise, and nothing is ever deleted.
    Every method raises CompatError that names the store when it cannot be read or written.
    """

    def __init__(self, where: Path | str) -> None:
        self._engine = history_engine(where)
        url = self._engine.url
        # A password can also stand in the query.
        self._name = url.set(query={}).render_as_string(hide_password=True) if _is_url(where) else str(where)
        self._is_file = url.get_backend_name() == "sqlite"
        self._writing = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        if self._is_file:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
            if url.database and url.database != ":memory:":
                make_folder(Path(url.database).parent)
        self._bring_up_to_date()

    def append(self, run: RunContext, observations: Iterable[Observation]) -> None:
        """Add `observations`, all or none; one that is there already is left as it is.

        Raises ValueError for a time without a time zone and for an observation made under a fault, and CompatError
        for a second, different result of the same run, cell and instant.
        """
        self._add(OBSERVATIONS, OBSERVED_ONCE, [run.model_dump() | _observation_row(seen) for seen in observations])

    def observations(
        self,
        litellm_version: str,
        claude_code_version: str,
        upstream: UpstreamMode,
        suite_revision: str,
        variant: str = "default",
    ) -> list[Observation]:
        """Everything that may be compared: same versions, upstream mode, suite and variant; any run, in order of time.

        Raises CompatError that names the row when one of them is damaged.
        """
        columns = OBSERVATIONS.c
        query = (
            select(columns.id, columns.cell, columns.observation)
            .where(columns.litellm_version == litellm_version)
            .where(columns.claude_code_version == claude_code_version)
            .where(columns.upstream == upstream)
            .where(columns.suite_revision == suite_revision)
            .where(columns.variant == variant)
            .order_by(columns.observed_at, columns.id)
        )
        return self._read(query, OBSERVATIONS, _observation)

    def last_consumption(self) -> dict[Cell, Consumption]:
        """What each cell took when it was last observed: live if it ever was, under whatever versions, suite and
        variant. A cell of which that is not known is left out. Raises CompatError as `observations` does."""
        columns = OBSERVATIONS.c
        last = (
            select(func.max(columns.id))
            .where(columns.upstream_calls.is_not(None))
            .group_by(columns.cell, columns.upstream)
        )
        query = (
            select(columns.id, columns.cell, columns.observation)
            .where(columns.id.in_(last))
            .order_by(columns.upstream == "live")
        )
        seen = self._read(query, OBSERVATIONS, _observation)
        return {one.cell: one.consumption for one in seen if one.consumption is not None}

    def record_controls(self, run: RunContext, results: Iterable[ControlResult]) -> None:
        """Add the `results` of negative controls, all or none; one that is there already is left as it is."""
        self._add(CONTROLS, PROVEN_ONCE, [run.model_dump() | _control_row(result) for result in results])

    def last_proven(self, suite_revision: str, upstream: UpstreamMode) -> dict[Cell, datetime]:
        """When each cell last went red under a fault that it must notice; a cell that never did is left out.

        Only the same suite counts, since another one is another test. Versions and variants do not matter: what is
        proven is the test, and it is the same test whatever it is run against. Raises CompatError as `observations`
        does.
        """
        columns = CONTROLS.c
        query = (
            select(columns.id, columns.cell, columns.proven_at)
            .where(columns.suite_revision == suite_revision)
            .where(columns.upstream == upstream)
            .where(columns.killed)
            .order_by(columns.proven_at)
        )
        proven = self._read(
            query, CONTROLS, lambda cell, proven_at: (Cell.parse(cell), datetime.fromisoformat(proven_at))
        )
        return dict(proven)  # the last of each cell

    def append_environment(self, run_id: str, revision: str, observed: EnvironmentObservation) -> None:
        """Add what one run of one environment saw, made by the code `revision`."""
        row = {
            "revision": revision,
            "platform": observed.platform,
            "run_id": run_id,
            "cell": observed.cell.key,
            "observed_at": _instant(observed.observed_at),
            "observation": observed.model_dump_json(),
        }
        self._add(ENVIRONMENTS, RAN_ONCE, [row])

    def environments(self, platform: str, revision: str) -> list[EnvironmentObservation]:
        """Everything that was seen of environments on `platform` by the code `revision`, in order of time.

        Raises CompatError that names the row when one of them is damaged.
        """
        columns = ENVIRONMENTS.c
        query = (
            select(columns.id, columns.cell, columns.observation)
            .where(columns.platform == platform)
            .where(columns.revision == revision)
            .order_by(columns.observed_at, columns.id)
        )
        return self._read(query, ENVIRONMENTS, lambda _, document: EnvironmentObservation.model_validate_json(document))

    def close(self) -> None:
        self._engine.dispose()

    def _bring_up_to_date(self) -> None:
        with self._transaction() as connection:
            version = schema_version(connection)
        if version > HEAD:
            raise CompatError(
                f"the history {self._name} was written by a newer version of compat "
                f"(its tables are at {version}, this version knows {HEAD})",
                "upgrade compat, or choose another history; nothing in it was changed",
            )
        if version < HEAD:
            with self._transaction(writing=True) as connection:
                migrate(connection)

    def _add(self, table: Table, once: Index, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert `rows` but those that are there; `once` is the unique index that tells which those are."""
        if rows:
            with self._transaction(writing=True) as connection:
                for row in rows:
                    same = select(table).where(*(column == row[column.name] for column in once.columns))
                    kept = connection.execute(same).mappings().one_or_none()
                    if kept is None:
                        connection.execute(insert(table), row)
                    elif any(kept[name] != value for name, value in row.items()):
                        raise self._contradiction(row)

    def _read(self, query: Select[Any, Any, Any], table: Table, parse: Callable[[str, str], _Seen]) -> list[_Seen]:
        """What `query` finds in `table`: the number of each row, and its cell and what is kept of it to `parse`."""
        with self._transaction() as connection:
            rows = connection.execute(query).all()
        seen = []
        for number, cell, document in rows:
            try:
                seen.append(parse(cell, document))
            except (ValueError, AttributeError, TypeError) as error:
                why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
                raise self._unusable(f"row {number} of its {table.name} ({cell}) is damaged: {why}") from error
        return seen

    @contextmanager
    def _transaction(self, *, writing: bool = False) -> Iterator[Connection]:
        try:
            with (self._writing if writing else self._engine).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._unusable(str(getattr(error, "orig", None) or error)) from error

    def _contradiction(self, row: Mapping[str, Any]) -> CompatError:
        return CompatError(
            f"the history {self._name} already holds another result of {row['cell']} "
            f"for the same instant of run {row['run_id']}",
            "one of the two is wrong: the first was kept; run the cell again",
        )

    def _unusable(self, why: str) -> CompatError:
        next_step = (
            "check its disk and owner, or move it away to start a new one"
            if self._is_file
            else "check its server and the rights of its user, or set COMPAT_HISTORY_URL to another database"
        )
        return CompatError(f"the history {self._name} cannot be used: {why}", f"{next_step}; nothing in it was changed")


def history_engine(where: Path | str) -> Engine:
    """What would talk to the store at `where`; it connects to nothing yet. WrongUsage for an address that is none."""
    try:
        _refuse_unquoted_password(str(where))
        path = None if _is_url(where) else str(Path(where).absolute())
        url = URL.create("sqlite", database=path) if path else make_url(str(where))
        _refuse_other_databases(url)
        return create_engine(url, pool_pre_ping=True, connect_args=_CONNECT_ARGS[url.get_backend_name()])
    except (ArgumentError, ImportError) as error:
        raise WrongUsage(f"cannot open the history: {error}", _NEXT) from error
    except ValueError:
        # Not quoted, nor kept as the cause: what was taken for the port can be a part of the password.
        raise WrongUsage("cannot open the history: its address has no valid host and port", _NEXT) from None


def _is_url(where: Path | str) -> bool:
    return isinstance(where, str) and "://" in where


def _refuse_unquoted_password(where: str) -> None:
    """What follows an @ in a password would be taken for the host, and be shown."""
    scheme, _, rest = where.partition("://")
    if not scheme.startswith("sqlite") and rest.partition(":")[2].count("@") > 1:
        raise ArgumentError("its address has more than one @: a password must be quoted")


def _refuse_other_databases(url: URL) -> None:
    if url.get_backend_name() not in _CONNECT_ARGS:
        raise ArgumentError(f"{url.get_backend_name()} is neither {' nor '.join(_CONNECT_ARGS)}")


def _observation(_cell: str, document: str) -> Observation:
    fields = json.loads(document).items()
    return Observation.model_validate({name: value for name, value in fields if name not in _NOT_KEPT_ANY_MORE})


def _observation_row(observation: Observation) -> dict[str, Any]:
    if observation.observed_at.tzinfo is None:
        raise ValueError(f"the observation of {observation.cell.key} has a time without a time zone")
    if observation.fault is not None:
        raise ValueError(
            f"{observation.cell.key} was observed under the fault {observation.fault}: it is a control, no observation"
        )
    return {
        "cell": observation.cell.key,
        "observed_at": _instant(observation.observed_at),
        "observation": observation.model_dump_json(),
        "upstream_calls": observation.consumption.calls if observation.consumption else None,
    }


def _control_row(result: ControlResult) -> dict[str, Any]:
    return {
        "cell": result.cell.key,
        "fault": result.fault,
        "proven_at": _instant(result.proven_at),
        "killed": result.killed,
        "explanation": result.explanation,
    }


def _instant(moment: datetime) -> str:
    """UTC with a fixed number of digits: texts sort as the times do."""
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds")


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Readers do not wait for writers, and a writer waits for its turn instead of failing."""
    connection.isolation_level = None  # transactions begin in _begin_sqlite, so that they hold for DDL, too
    connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_TIMEOUT_S * 1000)}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))
