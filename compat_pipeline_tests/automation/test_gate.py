"""The job `pr_gate`: what it runs, what it writes, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest

from compat_pipeline.automation.gate import pr_gate
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.gate import GateReport
from compat_pipeline.domain.observation import Fail, Observation
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.exit_codes import NOT_ALL_JUDGED, REGRESSION, WRONG_USAGE
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.publication.local_git import publish
from compat_pipeline.resources.registries import NpmRegistry
from compat_pipeline_tests.assets.conftest import CLAUDE_CODE, OPEN, RED, ScriptedRunner
from compat_pipeline_tests.automation.scripted import BROKEN, OUTCOMES_VARIABLE

Resources = dict[str, object]
GOLDEN = Path(__file__).parents[1] / "domain" / "golden" / "compatibility-matrix.json"
ONE_RED, ONE_OPEN = {"cells": [RED]}, {"cells": [OPEN]}


def execute(instance: dg.DagsterInstance, resources: Resources, **choice: object) -> GateReport:
    """One gate, whatever it found."""
    done = pr_gate.execute_in_process(
        run_config={"ops": {"judge_pull_request": {"config": choice}}},
        resources={name: resources[name] for name in ("cell_runner", "docs_repo")},
        instance=instance,
        raise_on_error=False,
    )
    found = GateReport.model_validate_json(CompatHome.from_env().gate_results.read_bytes())
    assert done.success == (found.outcome == "clean")
    return found


def published(tmp_path: Path, status: str) -> str:
    """A baseline in which every place of the manifest's first rows has the status."""
    document = json.loads(GOLDEN.read_text())
    providers = ["anthropic", "bedrock_invoke", "bedrock_converse", "vertex_ai", "azure"]
    cell = {"status": status} | ({"error": "Claude Opus 4.7: lost"} if status == "fail" else {})
    document["providers"] = providers
    document["features"] = [{"id": "tool_use", "name": "Tool use", "providers": dict.fromkeys(providers, cell)}]
    (tmp_path / f"{status}.json").write_text(json.dumps(document))
    return str(tmp_path / f"{status}.json")


def test_a_red_without_a_baseline_closes_the_gate(instance: dg.DagsterInstance, resources: Resources) -> None:
    found = execute(instance, resources, **ONE_RED)
    assert found.outcome == "regression"
    assert [cell.told for cell in found.of("regression")] == ["the tool input was lost"]


def test_it_is_held_against_the_baseline(instance: dg.DagsterInstance, resources: Resources, tmp_path: Path) -> None:
    outcomes = [
        execute(instance, resources, **ONE_RED, baseline=published(tmp_path, status)).outcome
        for status in ("pass", "fail")
    ]
    assert outcomes == ["regression", "clean"]


def test_what_one_gate_found_can_be_the_baseline_of_the_next(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path
) -> None:
    assert execute(instance, resources, **ONE_RED).outcome == "regression"
    base = (tmp_path / "gate" / "compatibility-matrix.json").rename(tmp_path / "base.json")
    assert execute(instance, resources, **ONE_RED, baseline=str(base)).outcome == "clean"


def test_the_docs_repository_can_be_the_baseline(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path
) -> None:
    publish(CompatHome.from_env().docs_repo, Path(published(tmp_path, "fail")).read_text(), message="red")
    assert execute(instance, resources, **ONE_RED, baseline="docs-repo").outcome == "clean"


def test_a_cell_that_cannot_be_judged_keeps_it_from_being_clean(
    instance: dg.DagsterInstance, resources: Resources
) -> None:
    assert execute(instance, resources, **ONE_OPEN).outcome == "could_not_judge"


def test_the_environment_chooses_the_cells(
    instance: dg.DagsterInstance, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPAT_GATE_CELLS", "vision|azure/*, tool_use|anthropic/*\n")
    assert execute(instance, resources).outcome == "clean"
    (observed,) = ScriptedRunner.observed
    assert {key.rpartition("/")[0] for key in observed} == {"vision|azure", "tool_use|anthropic"}


def test_by_default_the_whole_matrix_is_run_and_reports_lie_in_the_home(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path
) -> None:
    found = execute(instance, resources)
    assert len(found.cells) == 90
    written = {path.name for path in (tmp_path / "gate").iterdir()}
    assert written == {"junit.xml", "results.json", "summary.md", "compatibility-matrix.json"}
    assert not (tmp_path / "compatibility-matrix.json").exists()
    assert not (tmp_path / "docs-repo").exists()
    assert ScriptedRunner.plain == [False], "it leaves the artifact of the last plain run alone"


def test_a_baseline_that_says_nothing_of_the_cells_is_wrong_usage_and_runs_nothing(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path
) -> None:
    with pytest.raises(WrongUsage, match="says nothing of the 3 planned cells"):
        pr_gate.execute_in_process(
            run_config={
                "ops": {
                    "judge_pull_request": {
                        "config": {"cells": ["vision|azure/*"], "baseline": published(tmp_path, "pass")}
                    }
                }
            },
            resources={name: resources[name] for name in ("cell_runner", "docs_repo")},
            instance=instance,
        )
    assert ScriptedRunner.observed == []


class DyingRunner(ScriptedRunner):
    """Breaks down after the first cell."""

    def observe(
        self,
        litellm: LitellmRelease,
        claude_code: ClaudeCodeRelease,
        cells: Sequence[Cell],
        run_id: str,
        *,
        plain: bool = True,
    ) -> Iterator[Observation]:
        yield from super().observe(litellm, claude_code, cells[:1], run_id, plain=plain)
        raise CompatError("the disk is full")


def test_what_was_seen_before_a_fault_counts(instance: dg.DagsterInstance, resources: Resources) -> None:
    runner = resources["cell_runner"]
    assert isinstance(runner, ScriptedRunner)
    dying = DyingRunner(home=runner.home, python_index=runner.python_index, npm=runner.npm, runtime=runner.runtime)
    found = execute(instance, resources | {"cell_runner": dying}, cells=["vision|azure/*"])
    assert [cell.status for cell in found.cells] == ["not_applicable", "unjudged", "unjudged"]
    assert found.fault == "the disk is full"


class AskedNpm(NpmRegistry):
    def resolve(self, request: str) -> object:  # type: ignore[override]
        return CLAUDE_CODE.model_copy(update={"version": "2.1.0" if request == "cooldown" else "2.2.0"})


@pytest.mark.parametrize(("asked", "version"), [("", "2.1.0"), ("latest", "2.2.0")])
def test_claude_code_is_taken_past_its_cool_down_unless_another_is_asked_for(
    instance: dg.DagsterInstance, resources: Resources, asked: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPAT_CLAUDE_CODE_VERSION", raising=False)
    runner = resources["cell_runner"]
    assert isinstance(runner, ScriptedRunner)
    with_npm = resources | {"cell_runner": runner.model_copy(update={"npm": AskedNpm()})}
    assert execute(instance, with_npm, **ONE_OPEN, claude_code=asked).claude_code == version


@pytest.mark.parametrize("choice", [{"cells": ["visoin|*"]}, {"baseline": "/nowhere.json"}, {"baseline": "docs-repo"}])
def test_what_makes_no_sense_runs_nothing(
    instance: dg.DagsterInstance, resources: Resources, choice: dict[str, object]
) -> None:
    with pytest.raises(WrongUsage):
        pr_gate.execute_in_process(
            run_config={"ops": {"judge_pull_request": {"config": choice}}},
            resources={name: resources[name] for name in ("cell_runner", "docs_repo")},
            instance=instance,
        )
    assert ScriptedRunner.observed == []


def test_older_observations_of_the_same_version_do_not_judge_this_code(
    instance: dg.DagsterInstance, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedRunner, "outcomes", {RED: Fail(error="lost")})
    assert execute(instance, resources, **ONE_RED).outcome == "regression"
    monkeypatch.setattr(ScriptedRunner, "outcomes", {})
    assert execute(instance, resources, **ONE_RED).outcome == "clean"


def job_execute(home: Path, outcomes: dict[str, object], **variables: str) -> subprocess.CompletedProcess[str]:
    """`dagster job execute -j pr_gate`, as in CI."""
    settings = {"COMPAT_HOME": str(home), "COMPAT_GATE_CELLS": "tool_use|azure/*"}
    return subprocess.run(
        [sys.executable, "-m", "dagster", "job", "execute", "-m", "compat_pipeline_tests.automation.scripted",
         "-j", "pr_gate"],
        env={"PATH": os.environ["PATH"], OUTCOMES_VARIABLE: json.dumps(outcomes)} | settings | variables,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


LOST = {"status": "fail", "error": "the tool input\n::error::was lost"}


def test_dagsters_own_command_ends_well_for_clean_code(tmp_path: Path) -> None:
    done = job_execute(tmp_path, {})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "## ✅" in (tmp_path / "gate" / "summary.md").read_text()


def test_dagsters_own_command_fails_for_a_regression_and_tells_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n")
    done = job_execute(tmp_path, {RED: LOST}, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(page))
    assert done.returncode == REGRESSION
    stop, resume, annotation, stop_again = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert annotation.startswith("::error title=Claude Code compatibility%3A regression::tool_use|azure/claude-opus")
    token = stop.removeprefix("::stop-commands::")
    assert (resume, stop_again) == (f"::{token}::", stop)
    assert len(token) == 32
    assert page.read_text() == "before\n" + (tmp_path / "gate" / "summary.md").read_text()


def test_dagsters_own_command_fails_for_code_that_does_not_install_and_says_so_in_the_reports(tmp_path: Path) -> None:
    done = job_execute(tmp_path, {}, COMPAT_LITELLM_VERSION=BROKEN)
    assert done.returncode == NOT_ALL_JUDGED
    assert "LiteLLM in broken does not install" in (tmp_path / "gate" / "summary.md").read_text()
    assert (tmp_path / "gate" / "junit.xml").read_text().count("<error") == 3


def test_dagsters_own_command_tells_wrong_usage_from_both(tmp_path: Path) -> None:
    assert job_execute(tmp_path, {RED: LOST}, COMPAT_BASELINE="/nowhere.json").returncode == WRONG_USAGE
