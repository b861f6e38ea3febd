"""A history of any earlier version is brought up to date with all it holds; one of a later version is left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.history.store import History
from compat_pipeline.history.tables import HEAD, METADATA, VERSION_TABLE
from compat_pipeline_tests.history.samples import CELL, NOON, RUN, control, observation, seen

BEFORE_MIGRATIONS = """
CREATE TABLE observations (
    id {serial} NOT NULL PRIMARY KEY, litellm_version VARCHAR(100) NOT NULL, claude_code_version VARCHAR(100) NOT NULL,
    suite_revision VARCHAR(100) NOT NULL, upstream VARCHAR(20) NOT NULL, run_id VARCHAR(100) NOT NULL,
    cell VARCHAR(300) NOT NULL, observed_at VARCHAR(40) NOT NULL, observation TEXT NOT NULL
)"""
ADD = """
INSERT INTO observations (litellm_version, claude_code_version, suite_revision, upstream, run_id, cell, observed_at,
    observation) VALUES (:litellm_version, :claude_code_version, :suite_revision, :upstream, :run_id, :cell,
    :observed_at, :observation)"""


def engine_of(place: Path | str) -> Engine:
    return create_engine(place if isinstance(place, str) else f"sqlite:///{place}")


def old_row(minute: int) -> dict[str, Any]:
    """As it was written when each observation still carried its CLI calls, and the tokens that the CLI counted."""
    document = observation(minute).model_dump(mode="json", exclude={"evidence", "findings", "fault", "consumption"})
    return {
        **RUN.model_dump(exclude={"variant"}),
        "cell": CELL.key,
        "observed_at": observation(minute).observed_at.isoformat(timespec="microseconds"),
        "observation": json.dumps(
            {**document, "input_tokens": 100, "output_tokens": 7, "calls": [{"argv": ["claude", "-p"]}]}
        ),
    }


def make_old(place: Path | str, *minutes: int) -> None:
    engine = engine_of(place)
    serial = "SERIAL" if isinstance(place, str) else "INTEGER"
    with engine.begin() as connection:
        connection.execute(text(BEFORE_MIGRATIONS.format(serial=serial)))
        connection.execute(
            text(
                "CREATE INDEX observations_by_versions ON observations "
                "(litellm_version, claude_code_version, upstream, observed_at)"
            )
        )
        for minute in minutes:
            connection.execute(text(ADD), old_row(minute))
    engine.dispose()


def as_it_was(minute: int) -> Any:
    return observation(minute).model_copy(update={"evidence": None, "findings": (), "consumption": None})


def differences(place: Path | str) -> list[Any]:
    """What Alembic would still change to make the tables those that the queries are written for."""
    with engine_of(place).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return [entry for entry in compare_metadata(context, METADATA) if VERSION_TABLE not in str(entry)]


def test_the_migrations_lead_to_the_tables_that_the_queries_expect(place: Path | str) -> None:
    History(place)
    assert differences(place) == []


def test_a_database_from_before_there_were_migrations_is_adopted_with_all_it_holds(place: Path | str) -> None:
    make_old(place, 0, 1)
    history = History(place)
    assert seen(history) == [as_it_was(0), as_it_was(1)]
    assert differences(place) == []
    history.append(RUN, [observation(2)])
    history.record_controls(RUN, [control()])
    assert len(seen(history)) == 3
    assert history.last_proven(RUN.suite_revision, "emulated") == {CELL: NOON}


def test_an_adopted_observation_counts_once_if_it_had_been_appended_twice(place: Path | str) -> None:
    make_old(place, 0, 0, 1)
    assert seen(History(place)) == [as_it_was(0), as_it_was(1)]


def dump(place: Path | str) -> list[Any]:
    with engine_of(place).connect() as connection:
        return [
            list(connection.execute(text(f"SELECT * FROM {table}")))  # noqa: S608
            for table in ("observations", "controls", VERSION_TABLE)
        ]


def test_a_history_of_a_newer_version_is_refused_and_left_alone(place: Path | str) -> None:
    history = History(place)
    history.append(RUN, [observation()])
    history.close()
    with engine_of(place).begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608
    before = dump(place)
    with pytest.raises(CompatError, match="was written by a newer version of compat") as caught:
        History(place)
    assert "upgrade compat" in str(caught.value)
    assert dump(place) == before


def test_a_migration_that_cannot_be_finished_leaves_the_old_history_as_it_was(place: Path | str) -> None:
    make_old(place, 0)
    engine = engine_of(place)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE controls (id INTEGER)"))  # in the way of the second revision
    with pytest.raises(CompatError, match="controls"):
        History(place)
    with engine.begin() as connection:
        assert "variant" not in [column["name"] for column in inspect(connection).get_columns("observations")]
        connection.execute(text("DROP TABLE controls"))
    assert seen(History(place)) == [as_it_was(0)]


def test_the_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", "compat_pipeline.history:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_opening_a_history_that_is_up_to_date_does_not_load_alembic(tmp_path: Path) -> None:
    place = tmp_path / "history.db"
    History(place).close()
    code = (
        "import sys; from compat_pipeline.history.store import History; History(sys.argv[1]);"
        "print([name for name in sys.modules if name.startswith(('alembic', 'sqlalchemy.dialects.postgresql'))])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(place)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


OPENER = "import sys; from compat_pipeline.history.store import History; History(sys.argv[1])"


@pytest.mark.parametrize("make", [lambda _place: None, make_old], ids=["new", "old"])
def test_processes_that_open_a_history_at_once_are_all_fine(
    place: Path | str, make: Callable[[Path | str], None]
) -> None:
    make(place)
    openers = [
        subprocess.Popen([sys.executable, "-c", OPENER, str(place)], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate(timeout=120)[1] for process in openers] == [""] * 4
    assert differences(place) == []
