"""The jobs of the environment matrix over a scripted machine: what is run, written, checked and asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from compat_pipeline.assets.environment import (
    compatibility_report,
    environment_checks,
    environment_matrix,
    environment_results,
    written_environment_matrix,
)
from compat_pipeline.automation import environment as environments
from compat_pipeline.automation.environment import bisect_environment, run_environments
from compat_pipeline.automation.jobs import refresh_matrix
from compat_pipeline.definitions import defs
from compat_pipeline.domain.environment_verdict import EnvironmentObservation, StageSeen
from compat_pipeline.environment import bisecting
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.manifest_file import PACKAGED
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.registries import PythonIndex
from compat_pipeline_tests.assets.conftest import PinnedIndex, PinnedNpm
from compat_pipeline_tests.assets.environments import FIRST_BAD, ScriptedEnvironments
from compat_pipeline_tests.domain.environments import NEWEST, NOW, cell, observed


@pytest.fixture
def runner(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEnvironments]:  # noqa: ARG001
    monkeypatch.setattr(ScriptedEnvironments, "outcomes", {})
    monkeypatch.setattr(ScriptedEnvironments, "ran", [])
    scripted = ScriptedEnvironments(home=Home(), python_index=PinnedIndex(), npm=PinnedNpm())
    yield scripted
    scripted.home.history.close()


def run(instance: dg.DagsterInstance, runner: ScriptedEnvironments, *cells: str) -> dg.ExecuteInProcessResult:
    return run_environments.execute_in_process(
        run_config={"ops": {"run_chosen_environments": {"config": {"cells": list(cells)}}}},
        resources={"environment_runner": runner},
        instance=instance,
    )


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def found(result: dg.ExecuteInProcessResult, check: str) -> Any:
    (one,) = (one for one in result.get_asset_check_evaluations() if one.check_name == check)
    return one.metadata["found"].value


def test_a_misspelt_route_ends_a_run_before_it_begins(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "environment.yaml"
    mine.write_text(
        PACKAGED.with_name("environment.yaml").read_text().replace("azure/claude-haiku", "azur/claude-haiku")
    )
    monkeypatch.setenv("COMPAT_ENVIRONMENTS", str(mine))
    with pytest.raises(WrongUsage, match="no target is called azur/claude-haiku-4-5"):
        run(instance, runner, "small")
    assert runner.ran == []


def test_the_small_set_is_run_and_both_documents_are_written(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments, tmp_path: Path
) -> None:
    result = run(instance, runner, "small")
    assert sorted(runner.ran) == sorted(
        f"3.11|{version}@{runtime}"
        for version in ("1.83.14", "1.96.2", "1.106.2")
        for runtime in ("stock", "fast-litellm==0.1.10")
    )
    keys = [event.partition for event in result.get_asset_materialization_events() if event.partition]
    assert len(keys) == 6
    assert set(checks(result).values()) == {True}
    matrix = json.loads((tmp_path / "environment-matrix.json").read_text())
    told = {row["cell"]: row["status"] for row in matrix["environments"] if "observed_at" in row}
    assert told["3.11|1.96.2@fast-litellm==latest"] == "degraded"
    assert told["3.11|1.106.2@fast-litellm==latest"] == "broken"
    assert "| 3.11.7 | 1.106.2 | fast-litellm==0.1.10 |" in (tmp_path / "COMPATIBILITY.md").read_text()


def test_what_was_seen_before_stays_in_the_matrix_beside_a_later_run(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments, tmp_path: Path
) -> None:
    run(instance, runner, "3.11|1.83.14@stock")
    run(instance, runner, "3.11|1.96.2@stock")
    rows = json.loads((tmp_path / "environment-matrix.json").read_text())["environments"]
    assert [row["cell"] for row in rows if row["status" if "status" in row else "cell"] == "verified"] == [
        "3.11|1.83.14@stock",
        "3.11|1.96.2@stock",
    ]


def test_a_run_that_runs_nothing_does_not_pass(instance: dg.DagsterInstance, runner: ScriptedEnvironments) -> None:
    result = run(instance, runner, "3.14|*")
    assert runner.ran == []
    assert not checks(result)["planned_is_observed"]
    assert found(result, "negative_control_is_red") == ["none was tried"]


def test_a_control_that_is_not_noticed_fails_the_check(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments
) -> None:
    blind = StageSeen(stage="import", outcome="passed")
    seen = observed(cell("1.83.14")).model_copy(update={"controls": {"litellm_that_raises_type_error": blind}})
    runner.outcomes[seen.cell.key] = seen
    result = run(instance, runner, "3.11|1.83.14@*")
    assert found(result, "negative_control_is_red") == [
        "3.11|1.83.14@fast-litellm==latest: litellm_that_raises_type_error"
    ]


def test_a_trouble_that_no_known_issue_explains_is_listed_as_new(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments
) -> None:
    seen = observed(cell("1.83.14", "stock"), failed={"messages": "ZeroDivisionError: division by zero"})
    runner.outcomes[seen.cell.key] = seen
    assert found(run(instance, runner, "3.11|1.83.14@stock"), "known_issues_hold") == ["new: 3.11|1.83.14@stock"]


def test_an_old_observation_is_shown_as_stale(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments, tmp_path: Path
) -> None:
    seen = observed(cell("1.83.14", "stock")).model_copy(update={"observed_at": NOW.replace(year=2020)})
    runner.outcomes[seen.cell.key] = seen
    assert checks(run(instance, runner, "3.11|1.83.14@stock"))["nothing_stale_is_verified"]
    assert "⌛ stale" in (tmp_path / "COMPATIBILITY.md").read_text()


def test_a_matrix_that_shows_an_old_environment_as_verified_fails_the_check(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments
) -> None:
    run(instance, runner, "3.11|1.83.14@stock")
    matrix = written_environment_matrix(runner.home.paths)
    rows = [row.model_copy(update={"observed_at": NOW.replace(year=2020)}) for row in matrix.environments]
    wrong = matrix.model_copy(update={"environments": tuple(rows)})
    (check,) = (one for one in environment_checks(runner, wrong) if one.check_name == "nothing_stale_is_verified")
    assert (check.passed, check.metadata["found"].value) == (False, ["3.11|1.83.14@stock"])


@pytest.mark.parametrize(
    ("variable", "value"),
    [("COMPAT_ENVIRONMENT_ISSUES", "/nowhere.yaml"), ("COMPAT_HISTORY_URL", "mysql://user@db/compat")],
)
def test_a_wrong_setting_ends_a_run_before_any_environment_runs(
    instance: dg.DagsterInstance,
    runner: ScriptedEnvironments,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    with monkeypatch.context() as wrong:
        wrong.setenv(variable, value)
        with pytest.raises(CompatError):
            run(instance, runner, "3.11|1.83.14@stock")
    assert runner.ran == []


def test_an_environment_that_there_is_none_of_is_named(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments
) -> None:
    with pytest.raises(WrongUsage, match=r"no environment matches '3\.8\|\*'"):
        run(instance, runner, "3.8|*")


def test_one_run_of_the_asset_job_covers_every_environment(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments
) -> None:
    with_runner = dg.Definitions(assets=defs.assets, jobs=[environments.refresh_environment], resources=_but(runner))
    result = with_runner.resolve_job_def("refresh_environment").execute_in_process(instance=instance)
    assert result.success
    assert {key.partition("|")[0] for key in runner.ran} == {"3.11"}
    assert len(runner.ran) == len({one.means for one in runner.plan(runner.interpreters()).planned if one.runs})
    assert set(checks(result)) == {
        *("planned_is_observed", "negative_control_is_red", "nothing_stale_is_verified", "known_issues_hold"),
        "every_claim_has_a_cell",
    }


def test_a_single_environment_can_be_materialised(instance: dg.DagsterInstance, runner: ScriptedEnvironments) -> None:
    dg.materialize(
        [environment_results],
        instance=instance,
        partition_key="3.11|1.97.0@fast-litellm==latest",
        resources={"environment_runner": runner},
        selection=[environment_results],
    )
    assert runner.ran == ["3.11|1.97.0@fast-litellm==0.1.10"]


def made(asset: dg.AssetsDefinition, instance: dg.DagsterInstance, runner: ScriptedEnvironments) -> None:
    dg.materialize([asset], instance=instance, resources={"environment_runner": runner}, selection=[asset])


@pytest.mark.parametrize("damage", ["", '{"platform": "linux-x86_64"'])
def test_the_matrix_is_of_the_plan_on_disk_or_of_a_new_one_where_that_cannot_be_read(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments, tmp_path: Path, damage: str
) -> None:
    run(instance, runner, "3.11|1.83.14@stock")
    plan, matrix = tmp_path / "environment-plan.json", tmp_path / "environment-matrix.json"
    plan.write_text(plan.read_text().replace(NEWEST["litellm"], "1.999.0"))
    made(environment_matrix, instance, runner)
    assert json.loads(matrix.read_text())["litellm_latest"] == "1.999.0"
    plan.write_text(damage)
    made(environment_matrix, instance, runner)
    assert json.loads(matrix.read_text())["litellm_latest"] == NEWEST["litellm"]


@pytest.mark.parametrize("asset", ["environment_plan", "environment_matrix"])
def test_an_event_names_its_document_and_does_not_hold_it(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments, tmp_path: Path, asset: str
) -> None:
    events = run(instance, runner, "3.11|1.83.14@stock").get_asset_materialization_events()
    (told,) = (event.materialization for event in events if event.asset_key == dg.AssetKey(asset))
    document = tmp_path / f"{asset.replace('_', '-')}.json"
    assert told.metadata["path"].value == str(document)
    assert len(dg.serialize_value(told)) < document.stat().st_size / 4


def test_a_report_is_of_the_matrix_on_disk_and_says_where_that_is_damaged(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments, tmp_path: Path
) -> None:
    run(instance, runner, "3.11|1.83.14@stock")
    matrix = tmp_path / "environment-matrix.json"
    matrix.write_text(matrix.read_text().replace('"3.11.7"', '"3.11.99"'))
    made(compatibility_report, instance, runner)
    assert "| 3.11.99 |" in (tmp_path / "COMPATIBILITY.md").read_text()
    matrix.write_text("{")
    with pytest.raises(CompatError, match=r"cannot use .*environment-matrix\.json"):
        made(compatibility_report, instance, runner)


def _but(runner: ScriptedEnvironments) -> dict[str, Any]:
    return {**(defs.resources or {}), "environment_runner": runner}


def test_no_walk_of_the_first_matrix_touches_the_environments() -> None:
    selected = refresh_matrix.selection.resolve(defs.resolve_asset_graph())
    assert not {key.to_user_string() for key in selected} & {"interpreters", "environment_results"}


def test_the_first_bad_version_is_found_in_at_most_seven_runs(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bisecting, "newest_below", _index)
    choice = {"good": "1.83.14", "bad": "1.106.2", "runtime": "fast-litellm==0.1.10"}
    bisect_environment.execute_in_process(
        run_config={"ops": {"bisect_chosen_versions": {"config": choice}}},
        resources={"environment_runner": runner},
        instance=instance,
    )
    boundary = json.loads((tmp_path / "environment-bisect.json").read_text())
    assert (boundary["last_good"], boundary["first_bad"]) == ("1.96.2", FIRST_BAD)
    assert "HybridClass" in boundary["signature"]
    assert boundary["probes"] == len(runner.ran) <= 7


def _index(limits: str, _python: Path, _folder: Path) -> str | None:
    """One patch of every minor, but for the three of 1.96; the newest within `limits`."""
    from packaging.specifiers import SpecifierSet

    listed = [f"1.{minor}.{2 if minor in (96, 106) else 14 if minor == 83 else 0}" for minor in range(83, 107)]
    fitting = [version for version in [*listed, "1.96.0", "1.96.1"] if version in SpecifierSet(limits)]
    return max(fitting, key=lambda version: [int(part) for part in version.split(".")], default=None)


def test_what_was_run_before_is_not_run_again_to_bisect(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bisecting, "newest_below", _index)
    run(instance, runner, "3.11|*@fast-litellm==latest")
    runner.ran.clear()
    assert runner.bisect(cell("1.96.2"), "1.97.0", "messages", runner.interpreters()).probes == 0
    assert runner.ran == []


def test_ends_that_are_not_good_and_bad_are_refused(
    runner: ScriptedEnvironments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bisecting, "newest_below", _index)
    with pytest.raises(WrongUsage, match=r"LiteLLM 1\.98\.0 is bad at stage messages, not good: router: .*HybridClass"):
        runner.bisect(cell("1.98.0"), "1.106.2", "messages", runner.interpreters())
    with pytest.raises(WrongUsage, match="there is no Python 3"):
        runner.bisect(cell(python="3.12"), "1.106.2", "messages", runner.interpreters())


class NewAccelerator(PythonIndex):
    def newest_accelerator(self) -> str:
        return "0.1.11"


def test_a_new_accelerator_is_one_run_of_the_newest_versions(instance: dg.DagsterInstance) -> None:
    def tick(cursor: str | None) -> dg.SensorResult:
        resources = {"python_index": NewAccelerator()}
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources, definitions=defs)
        result: Any = environments.accelerator_release_sensor(context)
        return result  # type: ignore[no-any-return]

    first = tick(None)
    (request,) = first.run_requests or []
    assert request.run_key == "environment_accelerator:0.1.11"
    assert request.run_config == {"ops": {"run_chosen_environments": {"config": {"cells": ["*|latest@*"]}}}}
    assert not tick(first.cursor).run_requests


def test_a_bundle_of_an_observation_is_told_by_its_digest(
    instance: dg.DagsterInstance, runner: ScriptedEnvironments
) -> None:
    seen: EnvironmentObservation = observed(cell("1.83.14", "stock")).model_copy(update={"evidence": "a" * 64})
    runner.outcomes[seen.cell.key] = seen
    events = run(instance, runner, "3.11|1.83.14@stock").get_asset_materialization_events()
    (told,) = (event.materialization.metadata["evidence"].value for event in events if event.partition)
    assert told == f"compat evidence {'a' * 12}"
