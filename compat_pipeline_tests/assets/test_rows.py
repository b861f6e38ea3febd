"""Which rows the matrix has: none that somebody asked for is lost, and none without a test looks like a success."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from compat_pipeline.assets.face import MANIFEST, RANGE_END, RANGE_START
from compat_pipeline.assets.matrix import compatibility_matrix
from compat_pipeline.automation.jobs import run_cells
from compat_pipeline.domain.observation import Fail
from compat_pipeline.suite import runner
from compat_pipeline_tests.assets.conftest import ScriptedRunner
from compat_pipeline_tests.assets.test_cells import Resources, evaluation, walk

V0 = [feature.id for feature in MANIFEST.of_set("v0").features]
OUTSIDE = "redacted_thinking|bedrock_converse/claude-haiku-4-5"
INSIDE = "vision|azure/claude-haiku-4-5"


def rows(home: Path) -> list[str]:
    """Of the matrix as written; the details have the same."""
    matrix = json.loads((home / "compatibility-matrix.json").read_text())
    details = json.loads((home / "compatibility-details.json").read_text())
    found = [row["id"] for row in matrix["features"]]
    assert list(dict.fromkeys(cell["feature"] for cell in details["cells"])) == found
    return found


def run(instance: dg.DagsterInstance, resources: Resources, *cells: str) -> dg.ExecuteInProcessResult:
    config = {"ops": {"run_chosen_cells": {"config": {"cells": list(cells)}}}}
    return run_cells.execute_in_process(run_config=config, resources=resources, instance=instance)


def test_a_chosen_cell_brings_its_row_and_the_next_run_keeps_it(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedRunner, "outcomes", {OUTSIDE: Fail(error="it was dropped")})
    walk(instance, resources)
    assert rows(tmp_path) == V0
    run(instance, resources, OUTSIDE)
    assert rows(tmp_path) == [*V0, "redacted_thinking"]
    run(instance, resources, INSIDE)
    assert rows(tmp_path) == [*V0, "redacted_thinking"]
    cells = json.loads((tmp_path / "compatibility-details.json").read_text())["cells"]
    assert [cell["error"] for cell in cells if cell["status"] == "fail"] == ["it was dropped"]


def test_rows_of_all_features_stay_until_a_run_over_fewer_of_them(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = [feature.id for feature in MANIFEST.features]
    monkeypatch.setenv("COMPAT_FEATURES", "all")
    walk(instance, resources)
    assert rows(tmp_path) == everything
    monkeypatch.delenv("COMPAT_FEATURES")
    run(instance, resources, INSIDE)
    assert rows(tmp_path) == everything
    dg.materialize([compatibility_matrix], instance=instance, resources=resources)
    assert rows(tmp_path) == everything
    walk(instance, resources, tags={RANGE_START: INSIDE, RANGE_END: INSIDE})
    assert rows(tmp_path) == everything
    walk(instance, resources)
    assert rows(tmp_path) == V0


@pytest.fixture
def mistyped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A row whose folder is not called as the manifest says; the other folders are as they are."""
    suite = tmp_path / "suite"
    suite.mkdir()
    for feature in V0:
        (suite / (feature if feature != "vision" else "visoin")).symlink_to(runner.SUITE / feature)
    monkeypatch.setattr(runner, "SUITE", suite)
    return "vision"


def test_a_row_without_any_test_fails_the_check(
    instance: dg.DagsterInstance, resources: Resources, mistyped: str
) -> None:
    check = evaluation(walk(instance, resources), "planned_is_observed")
    assert not check.passed
    told = {name: value.value for name, value in check.metadata.items()}
    assert told == {
        "planned": 90,
        "observed": 75,
        "without_a_test": 15,
        "missing": [],
        "rows_without_any": [mistyped],
    }


def test_so_does_a_run_that_observes_nothing_at_all(
    instance: dg.DagsterInstance, resources: Resources, mistyped: str
) -> None:
    alone = walk(instance, resources, tags={}, partition_key=INSIDE, selection=["cell_results"])
    chosen = run(instance, resources, f"{mistyped}|*")
    for result in (alone, chosen):
        assert not evaluation(result, "planned_is_observed").passed
    assert evaluation(run(instance, resources, "inconclusive"), "planned_is_observed").passed, "nothing was planned"
