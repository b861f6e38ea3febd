"""`compat gate`: its exit codes, and what it shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from compat_pipeline.command import run
from compat_pipeline.command.main import main
from compat_pipeline.domain.observation import Fail, Inconclusive
from compat_pipeline.ground.exit_codes import NOT_ALL_JUDGED, REGRESSION, WRONG_USAGE
from compat_pipeline.resources.registries import PythonIndex
from compat_pipeline_tests.assets.conftest import OPEN, RED
from compat_pipeline_tests.automation.scripted import BROKEN, scripted

REDS = {RED: Fail(error="the tool input was lost")}
UNJUDGED = {OPEN: Inconclusive(cause="account", error="Credit balance is too low")}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test alone, and every cell passes."""
    monkeypatch.setenv("COMPAT_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setattr(run, "defs", scripted({}))
    return tmp_path


def gate(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `compat gate ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["compat", "gate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_clean_code_is_zero(monkeypatch: pytest.MonkeyPatch, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(monkeypatch, "--cells", RED) == 0
    assert f"no regression: 1 pass\nreports    {home / 'gate'}\n" in capsys.readouterr().out


def test_a_regression_has_a_code_of_its_own_and_a_command_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "defs", scripted(REDS))
    assert gate(monkeypatch, "--cells", RED) == REGRESSION
    out = capsys.readouterr().out
    again = f"COMPAT_UPSTREAM=emulated compat gate --litellm 1.106.2 --claude-code 2.1.329 --cells '{RED}'"
    assert f"✗ {RED}: the tool input was lost\n    again: {again}\n" in out


def test_a_cell_that_could_not_be_judged_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "defs", scripted(UNJUDGED))
    assert gate(monkeypatch, "--cells", OPEN) == NOT_ALL_JUDGED


def test_a_regression_beside_it_weighs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "defs", scripted({**REDS, **UNJUDGED}))
    assert gate(monkeypatch, "--cells", OPEN, "--cells", RED) == REGRESSION


def test_code_that_does_not_install_could_not_be_judged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(monkeypatch, "--cells", RED, "--litellm", BROKEN) == NOT_ALL_JUDGED
    assert "never ran: LiteLLM in broken does not install" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--cells", "visoin|*"),
        ("--cells", ""),
        ("--baseline", "/nowhere.json"),
        ("--baseline", "docs-repo"),
        ("--cell", "x"),
        ("extra",),
    ],
)
def test_wrong_usage_has_a_third(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(monkeypatch, *arguments) == WRONG_USAGE
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("COMPAT_UPSTREAM", "real"),
        ("COMPAT_LITELLM_SOURCE", "gitlab"),
        ("COMPAT_LITELLM_VERSION", "nonsense"),
        ("COMPAT_LITELLM_VERSION", "path:/nowhere"),
        ("COMPAT_LITELLM_VERSION", "path:~nobody.here/x"),
    ],
)
def test_a_setting_that_makes_no_sense_is_wrong_usage_too(
    setting: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "defs", scripted({}, index=PythonIndex()))
    monkeypatch.setenv(setting, value)
    assert gate(monkeypatch, "--cells", RED) == WRONG_USAGE
    assert "Traceback" not in capsys.readouterr().err


def test_a_baseline_of_another_schema_is_one_message(
    monkeypatch: pytest.MonkeyPatch, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "other.json").write_text(json.dumps({"schema_version": "2"}))
    assert gate(monkeypatch, "--baseline", str(home / "other.json")) == WRONG_USAGE
    assert f'the matrix {home / "other.json"} has schema "2"; this version reads schema "1"' in capsys.readouterr().err


def test_reports_of_an_earlier_gate_are_never_taken_for_this_ones(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert gate(monkeypatch, "--cells", RED) == 0
    assert gate(monkeypatch, "--cells", "visoin|*") == WRONG_USAGE
    assert [path.name for path in (home / "gate").iterdir()] == ["compatibility-matrix.json"]
