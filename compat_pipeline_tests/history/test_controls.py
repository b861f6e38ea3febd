"""The history tells when each cell was last proven able to go red."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from compat_pipeline.domain.cell import Cell
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.history.store import History, RunContext
from compat_pipeline_tests.history.samples import CELL, NOON, RUN, control, seen


def test_the_latest_kill_of_each_cell_is_its_proof(place: Path | str) -> None:
    history, vision = History(place), Cell("vision", "azure", "claude-opus-4-7")
    history.record_controls(RUN, [control(1), control(5, fault="picture_dropped"), control(3, cell=vision)])
    assert history.last_proven(RUN.suite_revision, "emulated") == {
        CELL: NOON + timedelta(minutes=5),
        vision: NOON + timedelta(minutes=3),
    }


def test_a_control_that_was_missed_proves_nothing(place: Path | str) -> None:
    history = History(place)
    history.record_controls(RUN, [control(1), control(2, killed=False)])
    assert history.last_proven(RUN.suite_revision, "emulated") == {CELL: NOON + timedelta(minutes=1)}


@pytest.mark.parametrize("update", [{"litellm_version": "v1.84.0"}, {"claude_code_version": "2.2.0"}, {"variant": "x"}])
def test_a_proof_holds_for_the_same_suite_whatever_it_was_run_against(
    place: Path | str, update: dict[str, str]
) -> None:
    history = History(place)
    history.record_controls(RUN.model_copy(update=update), [control()])
    assert history.last_proven(RUN.suite_revision, "emulated") == {CELL: NOON}


@pytest.mark.parametrize(
    "other", [RUN.model_copy(update={"suite_revision": "0000000"}), RUN.model_copy(update={"upstream": "live"})]
)
def test_a_proof_of_another_suite_or_upstream_mode_does_not_count(place: Path | str, other: RunContext) -> None:
    history = History(place)
    history.record_controls(other, [control()])
    assert history.last_proven(RUN.suite_revision, "emulated") == {}


def test_controls_that_are_recorded_twice_are_kept_once_and_are_no_observations(place: Path | str) -> None:
    history = History(place)
    for _ in range(2):
        history.record_controls(RUN, [control(), control(fault="another")])
    assert history.last_proven(RUN.suite_revision, "emulated") == {CELL: NOON}
    assert seen(history) == []


@pytest.mark.parametrize(("column", "damage"), [("proven_at", "soon"), ("proven_at", b"\x00"), ("cell", "tool_use")])
def test_a_damaged_control_is_named_and_kept(tmp_path: Path, column: str, damage: str | bytes) -> None:
    history = History(tmp_path / "history.db")
    history.record_controls(RUN, [control(0), control(1)])
    with sqlite3.connect(tmp_path / "history.db") as connection:
        connection.execute(f"UPDATE controls SET {column} = ? WHERE id = 2", (damage,))  # noqa: S608
    with pytest.raises(
        CompatError, match=r"history\.db cannot be used: row 2 of its controls \(tool_use.*\) is damaged"
    ):
        history.last_proven(RUN.suite_revision, "emulated")
    with sqlite3.connect(tmp_path / "history.db") as connection:
        assert connection.execute("SELECT count(*) FROM controls").fetchone() == (2,)
