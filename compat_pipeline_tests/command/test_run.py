"""`compat run`, `prove` and `variants`: their exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from compat_pipeline.command import run
from compat_pipeline.domain.observation import Fail, Inconclusive
from compat_pipeline.ground.exit_codes import NOT_ALL_JUDGED, NOT_PROVEN, WRONG_USAGE
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.suite import runner
from compat_pipeline_tests.assets.conftest import OPEN, RED
from compat_pipeline_tests.automation.scripted import scripted

pytestmark = pytest.mark.usefixtures("scripted_home")
Compat = Callable[..., int]
UNJUDGED = {OPEN: Inconclusive(cause="account", error="Credit balance is too low")}


def test_what_this_run_judged_decides(compat: Compat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "defs", scripted(UNJUDGED))
    assert compat("run", "--cells", OPEN) == NOT_ALL_JUDGED
    assert compat("run", "--cells", RED) == 0, "the open cell is of an earlier run"


def test_an_open_cell_of_a_row_outside_the_first_matrix_counts(
    compat: Compat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = "redacted_thinking|azure/claude-haiku-4-5"
    monkeypatch.setattr(run, "defs", scripted({outside: UNJUDGED[OPEN]}))
    assert compat("run", "--cells", outside) == NOT_ALL_JUDGED
    assert f"    {outside}\n" in capsys.readouterr().out


def test_where_no_cell_is_open_the_matrix_stays_as_it_is_even_for_a_newer_suite(
    compat: Compat, scripted_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compat("run", "--cells", RED) == 0
    before = (scripted_home / "compatibility-matrix.json").read_bytes()
    monkeypatch.setattr(CellRunner, "suite_revision", "the next one")
    assert compat("run", "--cells", "inconclusive") == 0
    assert (scripted_home / "compatibility-matrix.json").read_bytes() == before


def test_cells_that_the_newer_suite_has_not_observed_are_told_of(
    compat: Compat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compat("run", "--cells", "vision|*") == 0
    assert "75 cell(s) have no verdict of this suite" in capsys.readouterr().out
    monkeypatch.setattr(CellRunner, "suite_revision", "the next one")
    assert compat("run", "--cells", RED) == 0
    assert "89 cell(s) have no verdict of this suite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("run", NOT_ALL_JUDGED, "nothing was observed of tool_use"),
        ("variants", NOT_ALL_JUDGED, "drop_params: no cell was observed"),
        ("prove", NOT_PROVEN, "0 of 0 faults killed"),
    ],
)
def test_no_test_is_no_success(
    compat: Compat,
    command: str,
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runner, "SUITE", tmp_path)
    assert compat(command, "--cells", RED) == code
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--cells", "visoin|*"),
        ("prove", "--cells", "visoin|*"),
        ("variants", "--cells", "visoin|*"),
        ("evidence", "visoin|*"),
        ("evidence", "vision|*"),
        ("prove", "--cells", RED, "--fault", "picture_droped"),
        ("variants", "--cells", RED, "--variant", "drop_parms"),
    ],
)
def test_a_name_that_there_is_none_of_is_wrong_usage(
    compat: Compat, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compat(*arguments) == WRONG_USAGE
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert arguments[-1] in told


def test_a_red_cell_leads_to_its_evidence(
    compat: Compat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "defs", scripted({RED: Fail(error="the tool input was lost")}))
    assert compat("run", "--cells", RED) == 0
    assert f"next       compat evidence '{RED}'" in capsys.readouterr().out
