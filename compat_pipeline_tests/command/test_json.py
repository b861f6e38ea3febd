"""`--json` of commands that run something: one document on standard output, everything else beside it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from compat_pipeline.command import run
from compat_pipeline.command.main import main
from compat_pipeline.domain.controls import KillTable
from compat_pipeline.domain.observation import Fail
from compat_pipeline.ground.exit_codes import NOT_PROVEN, REGRESSION
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline_tests.assets.conftest import RED
from compat_pipeline_tests.automation.scripted import scripted


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test alone, where one cell is red."""
    monkeypatch.setenv("COMPAT_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setattr(run, "defs", scripted({RED: Fail(error="the tool input was lost")}))
    return tmp_path


def compat(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `compat ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["compat", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_gate_prints_its_results_alone_where_github_actions_reads_along(
    monkeypatch: pytest.MonkeyPatch, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert compat(monkeypatch, "gate", "--cells", RED, "--json") == REGRESSION
    out, err = capsys.readouterr()
    assert out == (home / "gate" / "results.json").read_text()
    assert "::error title=Claude Code compatibility%3A regression" in err


def test_run_prints_both_documents_alone(
    monkeypatch: pytest.MonkeyPatch, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compat(monkeypatch, "run", "--cells", RED, "--json") == 0
    out, err = capsys.readouterr()
    told: dict[str, Any] = json.loads(out)
    assert told["matrix"] == json.loads((home / "compatibility-matrix.json").read_text())
    assert told["details"] == json.loads((home / "compatibility-details.json").read_text())
    assert told["docs_commit"] is None
    assert "1 cell(s) chosen" in err


def test_prove_prints_its_kill_table_alone(
    monkeypatch: pytest.MonkeyPatch, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missed = KillTable(faults=1, killed=0, collateral=0, rows=())
    monkeypatch.setattr(CellRunner, "prove", lambda *_, **__: missed)
    assert compat(monkeypatch, "prove", "--cells", RED, "--json") == NOT_PROVEN
    out, err = capsys.readouterr()
    assert out == (home / "mutants.json").read_text()
    assert "1 cell(s) chosen" in err
