"""The observation store keeps everything it was given, under concurrency, kills and damage."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from compat_pipeline.domain.observation import Fail, Inconclusive
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.history.store import History, RunContext
from compat_pipeline_tests.domain.environments import cell as environment
from compat_pipeline_tests.domain.environments import observed
from compat_pipeline_tests.history.conftest import PostgresServer
from compat_pipeline_tests.history.samples import RUN, observation, seen


def test_what_was_appended_comes_back_whole_and_by_time(place: Path | str) -> None:
    late, early = (
        observation(5, Fail(error="x", cause="client")),
        observation(1, Inconclusive(cause="account", error="y")),
    )
    History(place).append(RUN, [late, early])
    assert seen(History(place)) == [early, late]


def test_a_database_without_an_encoding_keeps_every_script(postgres: PostgresServer) -> None:
    place = postgres.new_database("TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    told = observation(outcome=Fail(error="图像 lost: «ä»"))
    History(place).append(RUN, [told])
    assert seen(History(place)) == [told]


def test_observations_of_one_instant_come_back_in_the_order_they_were_appended(place: Path | str) -> None:
    history = History(place)
    history.append(RUN, [observation(feature="vision"), observation(feature="tool_use")])
    assert [entry.feature for entry in seen(history)] == ["vision", "tool_use"]


def test_times_of_different_zones_are_ordered_as_instants(place: Path | str) -> None:
    history = History(place)
    east = observation().model_copy(
        update={"observed_at": datetime(2026, 1, 31, 13, 0, tzinfo=timezone(timedelta(hours=2)))}
    )
    history.append(RUN, [observation(), east])
    assert seen(history) == [east, observation()]


def test_a_time_without_a_zone_is_refused_and_nothing_is_added(place: Path | str) -> None:
    history = History(place)
    naive = observation().model_copy(update={"observed_at": datetime(2026, 1, 31, 12, 0)})
    with pytest.raises(ValueError, match="without a time zone"):
        history.append(RUN, [observation(), naive])
    assert seen(history) == []


@pytest.mark.parametrize(
    "other",
    [
        RUN.model_copy(update={"litellm_version": "v1.84.0"}),
        RUN.model_copy(update={"claude_code_version": "2.1.121"}),
        RUN.model_copy(update={"upstream": "live"}),
        RUN.model_copy(update={"suite_revision": "0000000"}),
        RUN.model_copy(update={"variant": "drop_params"}),
    ],
)
def test_observations_made_under_anything_else_never_mix(place: Path | str, other: RunContext) -> None:
    history = History(place)
    history.append(other, [observation()])
    assert seen(history) == []
    assert seen(history, other) == [observation()]


def test_several_runs_of_the_same_versions_add_up(place: Path | str) -> None:
    history = History(place)
    for number in (1, 2):
        history.append(RUN.model_copy(update={"run_id": f"run-{number}"}), [observation(number)])
    assert len(seen(history)) == 2


def test_an_append_that_is_repeated_counts_once(place: Path | str) -> None:
    history = History(place)
    history.append(RUN, [observation(0)])
    history.append(RUN, [observation(0), observation(1)])
    assert seen(history) == [observation(0), observation(1)]


def test_the_same_result_of_another_variant_of_the_run_is_another_one(place: Path | str) -> None:
    history = History(place)
    other = RUN.model_copy(update={"variant": "drop_params"})
    for run in (RUN, other):
        history.append(run, [observation()])
    assert seen(history) == seen(history, other) == [observation()]


def test_two_results_of_one_cell_and_instant_are_refused_and_the_first_stays(place: Path | str) -> None:
    history = History(place)
    history.append(RUN, [observation()])
    with pytest.raises(CompatError, match=r"another result of tool_use\|bedrock_converse/claude-haiku-4-5") as caught:
        history.append(RUN, [observation(1), observation(0, Fail(error="x"))])
    assert "run-1" in str(caught.value)
    assert seen(history) == [observation()]


def test_an_observation_made_under_a_fault_is_refused_and_nothing_is_added(place: Path | str) -> None:
    history = History(place)
    under_fault = observation().model_copy(update={"fault": "tool_input_lost"})
    with pytest.raises(ValueError, match="under the fault tool_input_lost"):
        history.append(RUN, [observation(1), under_fault])
    assert seen(history) == []


def test_a_database_url_works_like_a_path(tmp_path: Path) -> None:
    history = History(f"sqlite:///{tmp_path / 'deep' / 'history.db'}")
    history.append(RUN, [observation()])
    history.close()
    assert seen(History(str(tmp_path / "deep" / "history.db"))) == [observation()]


WRITER = """
import sys
from compat_pipeline.history.store import History
from compat_pipeline_tests.history.samples import RUN, observation
history = History(sys.argv[1])
run = RUN.model_copy(update={"run_id": sys.argv[3]})
for minute in range(int(sys.argv[2])):
    history.append(run, [observation(minute)])
    print(minute, flush=True)
"""


def writer(place: Path | str, count: int, run_id: str = "run-1") -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", WRITER, str(place), str(count), run_id]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_processes_that_create_and_write_at_once_lose_nothing(place: Path | str) -> None:
    writers = [writer(place, 15, run_id=f"run-{number}") for number in range(4)]
    for process in writers:
        process.communicate(timeout=120)
    assert [process.returncode for process in writers] == [0] * 4
    assert len(seen(History(place))) == 60


def test_a_killed_process_that_starts_over_loses_no_observation_and_doubles_none(place: Path | str) -> None:
    with writer(place, 100_000) as process:
        assert process.stdout is not None
        for _ in range(5):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        last = max([last, *(int(line) for line in process.stdout if line.endswith("\n"))])
    kept = len(seen(History(place)))
    assert kept >= last + 1
    again = writer(place, kept + 1)
    again.communicate(timeout=120)
    assert seen(History(place)) == [observation(minute) for minute in range(kept + 1)]


def test_a_server_that_was_restarted_between_two_appends_costs_none_of_them(postgres: PostgresServer) -> None:
    history = History(postgres.new_database())
    history.append(RUN, [observation(0)])
    postgres.stop()
    postgres.start()
    history.append(RUN, [observation(1)])
    assert seen(history) == [observation(0), observation(1)]


def test_a_server_that_is_down_is_named_without_its_password(postgres: PostgresServer) -> None:
    place = postgres.new_database().replace("compat@", "compat:secret@")
    history = History(place)
    postgres.stop()
    try:
        for use in (lambda: history.append(RUN, [observation()]), lambda: History(place)):
            with pytest.raises(CompatError, match=r"postgresql.* cannot be used") as caught:
                use()
            assert "secret" not in str(caught.value)
    finally:
        postgres.start()


def test_a_server_out_of_reach_is_told_without_a_password_of_its_query() -> None:
    with pytest.raises(CompatError, match=r"the history postgresql\+psycopg://user@127.* cannot be used") as caught:
        History("postgresql+psycopg://user@127.0.0.1:9/compat?password=secret")
    assert "secret" not in str(caught.value)


def test_a_server_out_of_reach_is_not_to_be_looked_for_on_a_disk() -> None:
    with pytest.raises(CompatError) as caught:
        History("postgresql+psycopg://user@127.0.0.1:9/compat")
    assert caught.value.next_step.startswith("check its server")
    assert "COMPAT_HISTORY_URL" in caught.value.next_step


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"this is not a database, but somebody may need it" * 100)
    before = path.read_bytes()
    with pytest.raises(CompatError, match="not a database") as caught:
        History(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["history.db"]


def test_a_damaged_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = History(path)
    history.append(RUN, [observation(minute) for minute in range(200)])
    history.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(CompatError, match="cannot be used") as caught:
        seen(History(path))
    assert str(path) in str(caught.value)
    assert path.stat().st_size == len(content)


@pytest.mark.parametrize("document", ["{}", "[]", "null", '{"feature": "tool_use", "provider"', "\x00"])
def test_a_damaged_row_is_named_and_kept(tmp_path: Path, document: str) -> None:
    path = tmp_path / "history.db"
    history = History(path)
    history.append(RUN, [observation(0), observation(1)])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE observations SET observation = ? WHERE id = 2", (document,))
    with pytest.raises(CompatError, match=r"row 2 of its observations \(tool_use\|.*\) is damaged"):
        seen(history)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM observations").fetchone() == (2,)


def test_a_damaged_row_of_an_environment_is_named(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = History(path)
    history.append_environment("run-1", "4f2a91c", observed(environment()))
    assert history.environments("linux-x86_64", "4f2a91c") == [observed(environment())]
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE environments SET observation = '[]'")
    with pytest.raises(CompatError, match=r"row 1 of its environments \(3\.11\|.*\) is damaged"):
        history.environments("linux-x86_64", "4f2a91c")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CompatError, match="file"):
        History(tmp_path / "file" / "history.db")
    with pytest.raises(CompatError, match="cannot be used"):
        History(tmp_path)


@pytest.mark.parametrize("scheme", ["nosuchdatabase", "mysql", "postgresql+nosuchdriver"])
def test_a_url_of_any_other_database_is_refused_without_its_password(scheme: str) -> None:
    with pytest.raises(CompatError, match="cannot open the history") as caught:
        History(f"{scheme}://user:secret@host/name")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["user:se@cret@host/name", "user:secret@host:abc/name", "user:se@x:cret@host/name", "user:secret/name"]
)
def test_an_address_that_is_damaged_is_refused_without_a_part_of_its_password(address: str) -> None:
    with pytest.raises(CompatError, match=r"cannot open the history: .*\n.*COMPAT_HISTORY_URL") as caught:
        History(f"postgresql+psycopg://{address}")
    assert "cret" not in str(caught.value)
