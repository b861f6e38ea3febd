"""What the assets make of observations: nothing holds up the walk, nothing is silently left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest

from compat_pipeline.assets.cells import cell_metadata, cell_results
from compat_pipeline.assets.face import CELLS, FULL_RANGE, MANIFEST, RANGE_END, RANGE_START
from compat_pipeline.assets.matrix import ANOMALY, compatibility_matrix
from compat_pipeline.assets.publication import NOT_REFUSED, published_docs_commit
from compat_pipeline.assets.versions import claude_code_release, litellm_release
from compat_pipeline.automation.jobs import run_cells
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Consumption, Fail, Inconclusive, Observation, Pass
from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.resources.home import Home
from compat_pipeline_tests.assets.conftest import NONE, OPEN, RED, ScriptedRunner

Resources = dict[str, object]
PLANNED = MANIFEST.of_set("v0")


def walk(
    instance: dg.DagsterInstance,
    resources: Resources,
    also: Sequence[dg.AssetsDefinition] = (),
    **options: object,
) -> dg.ExecuteInProcessResult:
    """Versions, cells and matrix in one run, and what is named `also`, with their checks."""
    stages = [litellm_release, claude_code_release, cell_results, compatibility_matrix]
    return dg.materialize(
        [*stages, *also],
        instance=instance,
        resources=resources,
        **({"tags": FULL_RANGE} | options),  # type: ignore[arg-type]
    )


def statuses(instance: dg.DagsterInstance) -> dict[str, object]:
    """Cell key -> status as materialised last."""
    found: dict[str, object] = {}
    for record in instance.fetch_materializations(cell_results.key, limit=1000).records:
        materialization = record.asset_materialization
        assert materialization is not None
        found.setdefault(str(materialization.partition), materialization.metadata["status"].value)
    return found


def test_every_outcome_is_materialised_and_the_walk_goes_on(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path
) -> None:
    assert walk(instance, resources).success
    seen = statuses(instance)
    assert (seen[RED], seen[OPEN], seen[NONE]) == ("fail", "inconclusive", "not_applicable")
    assert len(seen) == len(PLANNED.cells)
    document = json.loads((tmp_path / "compatibility-matrix.json").read_text())
    rows = {row["id"]: row["providers"] for row in document["features"]}
    assert rows["tool_use"]["azure"] == {"status": "fail", "error": "Claude Opus 4.7: the tool input was lost"}
    assert rows["vision"]["anthropic"] == {"status": "not_tested"}
    assert rows["vision"]["azure"] == {"status": "pass"}


def evaluation(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    return next(check for check in result.get_asset_check_evaluations() if check.check_name == name)


@pytest.mark.parametrize(("cost_usd", "told"), [(0.02, 0.02), (None, "unknown")])
def test_a_cell_tells_what_it_took_and_what_that_is_estimated_to_cost(cost_usd: float | None, told: object) -> None:
    taken = Consumption(
        calls=3, input_tokens=10, output_tokens=20, cache_read_tokens=30, cache_write_tokens=40, cost_usd=cost_usd
    )
    now = datetime.now(timezone.utc)
    seen = Observation(**Cell.parse(RED)._asdict(), outcome=Pass(), consumption=taken, observed_at=now)
    metadata = cell_metadata(seen)
    counts = ("upstream_calls", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    assert [metadata[name] for name in counts] == [3, 10, 20, 30, 40]
    assert metadata["estimated_cost_usd"] == told


def test_a_check_lists_what_could_not_be_judged(instance: dg.DagsterInstance, resources: Resources) -> None:
    check = evaluation(walk(instance, resources), "every_cell_was_judged")
    assert not check.passed
    assert check.metadata["inconclusive"].value == {OPEN: "account: Credit balance is too low"}


def test_a_check_lists_planned_cells_that_nothing_was_observed_of(
    instance: dg.DagsterInstance, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedRunner, "loses", RED)
    check = evaluation(walk(instance, resources), "planned_is_observed")
    assert not check.passed
    assert check.metadata["missing"].value == [RED]


def test_the_inconclusive_cells_are_re_run_alone(
    instance: dg.DagsterInstance, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(instance, resources)
    monkeypatch.setattr(ScriptedRunner, "outcomes", {})
    config = {"ops": {"run_chosen_cells": {"config": {"cells": ["inconclusive"]}}}}
    result = run_cells.execute_in_process(run_config=config, resources=resources, instance=instance)
    assert ScriptedRunner.observed[1:] == [[OPEN]]
    assert statuses(instance)[OPEN] == "pass"
    assert evaluation(result, "every_cell_was_judged").passed


def test_a_pattern_that_chooses_nothing_fails_with_the_choices(
    instance: dg.DagsterInstance, resources: Resources
) -> None:
    config = {"ops": {"run_chosen_cells": {"config": {"cells": ["visoin|*"]}}}}
    with pytest.raises(WrongUsage, match=r"no cell matches 'visoin\|\*'"):
        run_cells.execute_in_process(run_config=config, resources=resources, instance=instance)


def test_a_run_that_dagster_would_cut_short_is_refused(instance: dg.DagsterInstance, resources: Resources) -> None:
    key = CELLS.get_partition_keys()[0]
    with pytest.raises(dg.Failure, match=r"tagged for 90 cells, but Dagster hands out 1"):
        walk(instance, resources, tags={**FULL_RANGE, "dagster/partition": str(key), **key_tags(str(key))})


def key_tags(key: str) -> dict[str, str]:
    """The tags of a backfill that was launched from a job's page."""
    feature, target = key.split("|")
    return {"dagster/partition/feature": feature, "dagster/partition/target": target}


def test_a_run_uses_the_version_it_resolved_itself(instance: dg.DagsterInstance, resources: Resources) -> None:
    pinned = {"ops": {"litellm_release": {"config": {"version": "1.99.0"}}}}
    dg.materialize([litellm_release], instance=instance, resources=resources, run_config=pinned)
    result = walk(instance, resources)
    metadata = next(
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == compatibility_matrix.key
    )
    assert metadata["litellm_version"].value == "v1.106.2"


def test_a_cell_alone_takes_the_versions_recorded_last(instance: dg.DagsterInstance, resources: Resources) -> None:
    pinned = {"ops": {"litellm_release": {"config": {"version": "1.99.0"}}}}
    dg.materialize([litellm_release], instance=instance, resources=resources, run_config=pinned)
    dg.materialize([cell_results], instance=instance, resources=resources, partition_key=RED)
    seen = Home().history.observations("v1.99.0", "2.1.329", "emulated", revision(resources))
    assert [observation.cell.key for observation in seen] == [RED]


def revision(resources: Resources) -> str:
    runner = resources["cell_runner"]
    assert isinstance(runner, ScriptedRunner)
    return runner.suite_revision


def test_observations_of_another_suite_revision_say_nothing(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(instance, resources)
    monkeypatch.setattr(ScriptedRunner, "suite_revision", "another")
    walk(instance, resources, tags={RANGE_START: RED, RANGE_END: RED})
    document = json.loads((tmp_path / "compatibility-matrix.json").read_text())
    found = [cell["status"] for row in document["features"] for cell in row["providers"].values()]
    assert found.count("fail") == 1
    assert found.count("not_tested") == len(found) - 1


def test_a_run_that_judged_nothing_is_seen_although_older_verdicts_stand(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(instance, resources)
    dead = {cell.key: Inconclusive(cause="environment", error="the proxy was killed") for cell in PLANNED.cells}
    monkeypatch.setattr(ScriptedRunner, "outcomes", dead)
    check = evaluation(walk(instance, resources), "every_cell_was_judged")
    assert not check.passed
    details = json.loads((tmp_path / "compatibility-details.json").read_text())
    assert details["counts"]["inconclusive"] == len(PLANNED.cells)
    document = json.loads((tmp_path / "compatibility-matrix.json").read_text())
    assert document["features"][0]["providers"]["anthropic"] == {"status": "pass"}


def test_a_matrix_that_another_run_wrote_is_not_published(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path
) -> None:
    walk(instance, resources)
    pinned = {"ops": {"litellm_release": {"config": {"version": "1.99.0"}}}}
    dg.materialize([litellm_release], instance=instance, resources=resources, run_config=pinned)
    result = dg.materialize([published_docs_commit], instance=instance, resources=resources)
    assert not evaluation(result, NOT_REFUSED).passed
    (event,) = result.get_asset_materialization_events()
    assert "another run has written it" in str(event.materialization.metadata["reason"].value)
    assert not (tmp_path / "docs-repo").exists()


def test_a_column_that_broke_with_a_new_version_is_held_back_walk_after_walk(
    instance: dg.DagsterInstance, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedRunner, "outcomes", {})
    walk(instance, resources)
    dg.materialize([published_docs_commit], instance=instance, resources=resources)
    broken = {cell.key: Fail(error="no route") for cell in PLANNED.cells if cell.provider == "vertex_ai"}
    monkeypatch.setattr(ScriptedRunner, "outcomes", broken)
    newer = {"ops": {"litellm_release": {"config": {"version": "1.106.3"}}}}
    for _ in range(2):
        assert not evaluation(walk(instance, resources, run_config=newer), ANOMALY).passed
        dg.materialize([published_docs_commit], instance=instance, resources=resources)
        shown = json.loads(DocsRepo().published() or "")
        column = {row["providers"]["vertex_ai"]["status"] for row in shown["features"]}
        assert (shown["litellm_version"], column) == ("v1.106.3", {"not_tested"})


def test_a_docs_repo_of_the_users_own_is_spared_an_emulated_matrix(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPAT_DOCS_REPO", str(tmp_path / "mine"))
    walk(instance, resources)
    result = dg.materialize([published_docs_commit], instance=instance, resources=resources)
    metadata = result.get_asset_materialization_events()[0].materialization.metadata
    assert (metadata["sha"].value, (tmp_path / "mine").exists()) == ("none", False)
    assert "COMPAT_PUBLISH=emulated" in str(metadata["reason"].value)
