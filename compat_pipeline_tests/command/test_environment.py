"""`compat environment` and `compat bisect` over a scripted machine: exit codes, and what is said of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from compat_pipeline.domain.environment_verdict import EnvironmentObservation
from compat_pipeline_tests.assets.environments import ScriptedEnvironments
from compat_pipeline_tests.domain.environments import cell, observed


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> dict[str, EnvironmentObservation]:
    scripted: dict[str, EnvironmentObservation] = {}
    monkeypatch.setattr(ScriptedEnvironments, "outcomes", scripted)
    monkeypatch.setattr(ScriptedEnvironments, "ran", [])
    return scripted


@pytest.mark.usefixtures("outcomes")
def test_a_broken_environment_is_a_result_and_no_failure_of_the_command(
    scripted_home: Path, compat: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compat("environment", "--cells", "3.11|1.97.0@*") == 0
    told = capsys.readouterr().out
    assert "❌ broken" in told
    assert str(scripted_home / "COMPATIBILITY.md") in told
    assert len(ScriptedEnvironments.ran) == 4


@pytest.mark.usefixtures("outcomes")
def test_json_is_the_document_alone(
    scripted_home: Path, compat: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compat("environment", "--cells", "3.11|1.83.14@stock", "--json") == 0
    written = json.loads((scripted_home / "environment-matrix.json").read_text())
    assert json.loads(capsys.readouterr().out) == written


@pytest.mark.usefixtures("scripted_home")
def test_one_that_could_not_be_judged_ends_it_with_3(
    compat: Callable[..., int], outcomes: dict[str, EnvironmentObservation]
) -> None:
    outcomes["3.11|1.83.14@stock"] = observed(cell("1.83.14", "stock"), unclear={"install": "disk full"})
    assert compat("environment", "--cells", "3.11|1.83.14@stock") == 3
    assert compat("environment", "--cells", "3.14|*") == 3


@pytest.mark.usefixtures("scripted_home")
def test_one_that_cannot_be_judged_any_more_ends_it_with_3_and_says_so_beside_what_was_known(
    compat: Callable[..., int], outcomes: dict[str, EnvironmentObservation], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compat("environment", "--cells", "3.11|1.83.14@stock") == 0
    unclear = observed(cell("1.83.14", "stock"), unclear={"install": "disk full"})
    outcomes["3.11|1.83.14@stock"] = unclear.model_copy(update={"observed_at": datetime.now(timezone.utc)})
    assert compat("environment", "--cells", "3.11|1.83.14@stock") == 3
    assert "this time it could not be judged: install: disk full" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("1.106.2", "1.83.14", "there is nothing between LiteLLM 1.106.2 and 1.83.14"),
        ("1.83.14", "1.83.14", "there is nothing between"),
        ("1.83.14", "2.0.0", "there is nothing between"),
        ("1.83.14", "newest", "'1.83.14' and 'newest' are not both versions of LiteLLM"),
    ],
)
@pytest.mark.usefixtures("scripted_home", "outcomes")
def test_ends_with_nothing_between_them_are_refused_before_anything_is_run(
    compat: Callable[..., int], capsys: pytest.CaptureFixture[str], good: str, bad: str, told: str
) -> None:
    assert compat("bisect", "--good", good, "--bad", bad, "--runtime", "fast-litellm==0.1.10") == 2
    assert told in capsys.readouterr().err
    assert ScriptedEnvironments.ran == []


@pytest.mark.usefixtures("scripted_home", "outcomes")
def test_a_wrong_lane_is_answered_with_the_lanes_that_there_are(
    compat: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    ends = ("--good", "1.83.14", "--bad", "1.106.2")
    assert compat("bisect", *ends, "--runtime", "stock", "--lane", "as_relased") == 2
    assert "a lane one of: as_of_today, as_released" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("environment", "--all", "--cells", "3.11|*"),
        ("environment", "--cells", "3.8|*"),
        ("bisect", "--good", "1.83.14"),
        ("bisect", "--good", "", "--bad", "1.106.2"),
        ("bisect", "--good", "1.83.14", "--bad", ""),
        ("bisect", "--good", "1.83.14", "--bad", "1.106.2", "--stage", "boot"),
        ("bisect", "--good", "1.83.14", "--bad", "1.106.2", "--python", "3.12"),
    ],
)
@pytest.mark.usefixtures("scripted_home", "outcomes")
def test_what_makes_no_sense_ends_with_2(compat: Callable[..., int], arguments: tuple[str, ...]) -> None:
    runtime = ("--runtime", "fast-litellm==0.1.10") if arguments[0] == "bisect" else ()
    assert compat(*arguments, *runtime) == 2
