"""`compat run`: the whole walk with real parts, as a new user sees it."""

from __future__ import annotations

import json
import subprocess

import dagster as dg

from compat_pipeline.domain.matrix import parse_matrix
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline_tests.e2e.conftest import Site
from compat_pipeline_tests.pins import CLAUDE_CODE, LITELLM

Run = subprocess.CompletedProcess[str]


def test_every_cell_is_judged_and_the_matrix_shown(full_run: Run) -> None:
    assert full_run.returncode == 0, full_run.stdout + full_run.stderr
    assert "90/90" in full_run.stdout
    assert "USD" not in full_run.stdout
    for feature in load_manifest({}).of_set("v0").features:
        assert feature.name in full_run.stdout


def test_the_locked_document_names_both_versions(full_site: Site, full_run: Run) -> None:
    assert full_run.returncode == 0
    matrix = parse_matrix(full_site.home.matrix.read_text())
    assert (matrix.litellm_version, matrix.claude_code_version) == (f"v{LITELLM}", CLAUDE_CODE)
    assert "not_tested" not in {cell.status for cell in matrix.cells.values()}


def test_the_details_hold_one_observation_per_cell(full_site: Site, full_run: Run) -> None:
    assert full_run.returncode == 0
    details = json.loads(full_site.home.details.read_text())
    assert details["counts"] == {"planned": 90, "observed": 90, "inconclusive": 0}
    assert details["upstream"] == "emulated"
    assert all(cell["output_tokens"] > 0 for cell in details["cells"] if cell["status"] == "pass")


def test_each_cell_is_a_materialized_partition(full_site: Site, full_run: Run) -> None:
    assert full_run.returncode == 0
    with dg.DagsterInstance.from_config(str(full_site.home.dagster)) as instance:
        materialized = instance.get_materialized_partitions(dg.AssetKey("cell_results"))
    assert materialized == {cell.key for cell in load_manifest({}).of_set("v0").cells}


def test_the_docs_repo_got_one_commit_of_one_file(full_site: Site, full_run: Run) -> None:
    assert full_run.returncode == 0
    listing = ["git", "-C", str(full_site.home.docs_repo), "log", "--name-only", "--format=%H", "main"]
    lines = subprocess.run(listing, text=True, capture_output=True, check=True).stdout.split()
    assert lines[1:] == ["compatibility-matrix.json"]


def test_nothing_is_left_running(full_site: Site, full_run: Run) -> None:
    assert full_run.returncode == 0
    assert full_site.processes() == []
    assert not list(full_site.home.scratch.glob("scratch-*"))


def test_nothing_inconclusive_means_nothing_to_re_run(full_site: Site, full_run: Run) -> None:
    assert full_run.returncode == 0
    again = full_site.run("compat", "run", "--cells", "inconclusive")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "0 cell(s) chosen" in again.stdout
