"""The observation store keeps everything it was given, under concurrency, kills and damage."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from compat_pipeline.domain.observation import Fail, Inconclusive, Observation, Outcome, Pass
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.history.store import History, RunContext

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
RUN = RunContext(
    litellm_version="v1.83.0-stable",
    claude_code_version="2.1.120",
    suite_revision="4f2a91c",
    upstream="emulated",
    run_id="run-1",
)


def observation(minute: int = 0, outcome: Outcome | None = None, feature: str = "tool_use") -> Observation:
    return Observation(
        feature=feature,
        provider="bedrock_converse",
        model="claude-haiku-4-5",
        outcome=outcome or Pass(),
        attempts=2,
        duration_s=1.25,
        input_tokens=100,
        output_tokens=7,
        observed_at=NOON + timedelta(minutes=minute),
        calls=({"argv": ["claude", "-p"], "exit": 0, "text": "日本"},),
    )


def seen(history: History, run: RunContext = RUN) -> list[Observation]:
    return history.observations(run.litellm_version, run.claude_code_version, run.upstream, run.suite_revision)


def test_what_was_appended_comes_back_whole_and_by_time(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history.db"
    late, early = (
        observation(5, Fail(error="x", cause="client")),
        observation(1, Inconclusive(cause="account", error="y")),
    )
    History(path).append(RUN, [late, early])
    assert seen(History(path)) == [early, late]


def test_observations_of_one_instant_come_back_in_the_order_they_were_appended(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    history.append(RUN, [observation(feature="vision"), observation(feature="tool_use")])
    assert [entry.feature for entry in seen(history)] == ["vision", "tool_use"]


def test_times_of_different_zones_are_ordered_as_instants(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    east = observation().model_copy(
        update={"observed_at": datetime(2026, 1, 31, 13, 0, tzinfo=timezone(timedelta(hours=2)))}
    )
    history.append(RUN, [observation(), east])
    assert seen(history) == [east, observation()]


def test_a_time_without_a_zone_is_refused_and_nothing_is_added(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
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
    ],
)
def test_observations_of_other_versions_or_another_upstream_mode_never_mix(tmp_path: Path, other: RunContext) -> None:
    history = History(tmp_path / "history.db")
    history.append(other, [observation()])
    assert seen(history) == []
    assert seen(history, other) == [observation()]


def test_several_runs_of_the_same_versions_add_up(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    for number in (1, 2):
        history.append(RUN.model_copy(update={"run_id": f"run-{number}"}), [observation(number)])
    assert len(seen(history)) == 2


def test_a_database_url_works_like_a_path(tmp_path: Path) -> None:
    history = History(f"sqlite:///{tmp_path / 'history.db'}")
    history.append(RUN, [observation()])
    history.close()
    assert seen(History(str(tmp_path / "history.db"))) == [observation()]


WRITER = """
import sys
from pathlib import Path
from compat_pipeline.history.store import History
from compat_pipeline_tests.history.test_store import RUN, observation
history = History(Path(sys.argv[1]))
for minute in range(int(sys.argv[2])):
    history.append(RUN, [observation(minute)])
    print(minute, flush=True)
"""


def writer(path: Path, count: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", WRITER, str(path), str(count)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_processes_that_create_and_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    writers = [writer(path, 15) for _ in range(4)]
    assert [process.wait(timeout=120) for process in writers] == [0] * 4
    for process in writers:
        process.communicate()
    assert len(seen(History(path))) == 60


def test_a_killed_process_loses_no_observation_it_had_appended(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with writer(path, 100_000) as process:
        assert process.stdout is not None
        for _ in range(5):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        last = max([last, *(int(line) for line in process.stdout if line.endswith("\n"))])
    kept = seen(History(path))
    assert len(kept) >= last + 1
    assert kept[: last + 1] == [observation(minute) for minute in range(last + 1)]


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


def test_a_damaged_entry_is_reported_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = History(path)
    history.append(RUN, [observation()])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE observations SET observation = '{}'")
    with pytest.raises(CompatError, match="damaged"):
        seen(history)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM observations").fetchone() == (1,)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CompatError, match="file"):
        History(tmp_path / "file" / "history.db")
    with pytest.raises(CompatError, match="cannot be used"):
        History(tmp_path)


def test_a_url_nobody_understands_is_refused_without_its_password() -> None:
    with pytest.raises(CompatError, match="cannot open the history") as caught:
        History("nosuchdatabase://user:secret@host/name")
    assert "secret" not in str(caught.value)
