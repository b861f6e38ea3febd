"""The job `compare_variants`, and which runs leave the artifact of results. Only the suite is scripted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from compat_pipeline.automation.controls import prove_controls
from compat_pipeline.automation.variants import compare_variants
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.domain.consumption import Spending
from compat_pipeline.domain.observation import Fail, Inconclusive, Observation, Outcome, Pass
from compat_pipeline.domain.variants import DEFAULT, Variant
from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.resources import cell_runner
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline_tests.assets.conftest import CLAUDE_CODE, LITELLM, OPEN, RED

Resources = dict[str, object]
SETTLED = "vision|azure/claude-opus-4-7"


class StagedRunner(CellRunner):
    """The real one on a stage where no proxy is up; the suite's settings say under which configuration."""

    @contextmanager
    def _stage(
        self,
        litellm: LitellmRelease,
        claude_code: ClaudeCodeRelease,
        run_id: str,
        spending: Spending,
        variant: Variant = DEFAULT,
    ) -> Iterator[Any]:
        run = self.run_context(litellm, claude_code, run_id, variant)
        proxy = SimpleNamespace(locked_out={})
        yield SimpleNamespace(run=run, settings=variant, proxy=proxy, spending=spending, image=None)


class Suite:
    """In place of the tests: the outcome of a cell under a configuration; all others pass."""

    def __init__(self, outcomes: dict[tuple[str, Variant], Outcome]) -> None:
        self.outcomes = outcomes
        self.sessions: list[tuple[Variant, bool]] = []

    def __call__(
        self, trials: Sequence[Trial], settings: Variant, home: CompatHome, *, artifact: bool, **_: object  # noqa: ARG002
    ) -> Iterator[Observation]:  # fmt: skip
        self.sessions.append((settings, artifact))
        for cell, fault in trials:
            outcome = self.outcomes.get((cell.key, settings), Pass())
            yield Observation(**cell._asdict(), fault=fault, outcome=outcome, observed_at=datetime.now(timezone.utc))


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Suite:
    """One cell fails under the default configuration alone, and one cannot be judged with `drop_params`."""
    scripted = Suite(
        {
            (RED, "default"): Fail(error="the field was refused"),
            (OPEN, "drop_params"): Inconclusive(cause="provider", error="overloaded"),
        }
    )
    monkeypatch.setattr(cell_runner, "run_suite", scripted)
    monkeypatch.setattr(cell_runner, "why_down", lambda *_: None)
    return scripted


@pytest.fixture
def staged(resources: Resources) -> StagedRunner:
    told = resources["cell_runner"]
    assert isinstance(told, CellRunner)
    return StagedRunner(home=told.home, python_index=told.python_index, npm=told.npm, runtime=told.runtime)


def compare(instance: dg.DagsterInstance, runner: StagedRunner, **choice: object) -> dg.ExecuteInProcessResult:
    return compare_variants.execute_in_process(
        run_config={"ops": {"compare_chosen_cells": {"config": choice}}},
        resources={"cell_runner": runner},
        instance=instance,
    )


def test_cells_run_under_each_configuration_and_only_what_differs_is_kept(
    instance: dg.DagsterInstance, staged: StagedRunner, suite: Suite, tmp_path: Path
) -> None:
    assert compare(instance, staged, cells=[RED, OPEN, SETTLED]).success
    assert [variant for variant, _ in suite.sessions] == ["default", "drop_params", "forward_client_headers"]
    document = json.loads((tmp_path / "variants.json").read_text())
    assert document["cells"] == 3
    told = {(one["variant"], one["cell"]): one["default"]["status"] for one in document["differences"]}
    assert told == {("drop_params", RED): "fail", ("forward_client_headers", RED): "fail"}
    assert [(one["variant"], one["cell"]) for one in document["unjudged"]] == [("drop_params", OPEN)]
    assert not (tmp_path / "compatibility-matrix.json").exists()


def test_what_a_variant_did_is_kept_apart_from_what_matrices_are_made_of(
    instance: dg.DagsterInstance, staged: StagedRunner, suite: Suite
) -> None:
    compare(instance, staged, cells=[RED], variants=["drop_params"])
    history, place = staged.home.history, ("v1.106.2", "2.1.329", "emulated", staged.suite_revision)
    assert [seen.outcome.status for seen in history.observations(*place)] == ["fail"]  # type: ignore[arg-type]
    assert [seen.outcome.status for seen in history.observations(*place, "drop_params")] == ["pass"]  # type: ignore[arg-type]
    assert len(suite.sessions) == 2


def test_a_configuration_that_there_is_none_of_is_named(instance: dg.DagsterInstance, staged: StagedRunner) -> None:
    with pytest.raises(WrongUsage, match="no variant is called 'drop_parms'"):
        compare(instance, staged, cells=[RED], variants=["drop_parms"])


def test_only_a_plain_run_leaves_the_artifact(instance: dg.DagsterInstance, staged: StagedRunner, suite: Suite) -> None:
    cell = Cell.parse(SETTLED)
    list(staged.observe(LITELLM, CLAUDE_CODE, [cell], "one"))
    list(staged.observe(LITELLM, CLAUDE_CODE, [cell], "a gate's", plain=False))
    compare(instance, staged, cells=[SETTLED], variants=["drop_params"])
    prove_controls.execute_in_process(
        run_config={"ops": {"prove_chosen_cells": {"config": {"cells": [SETTLED]}}}},
        resources={"cell_runner": staged},
        instance=instance,
    )
    assert suite.sessions == [
        ("default", True), ("default", False), ("default", False), ("drop_params", False), ("default", False)
    ]  # fmt: skip


def test_the_accelerator_is_compared_only_where_it_is_asked_for(
    instance: dg.DagsterInstance, staged: StagedRunner, suite: Suite
) -> None:
    compare(instance, staged, cells=[SETTLED])
    assert "fast_litellm" not in [variant for variant, _ in suite.sessions]
    suite.sessions.clear()
    compare(instance, staged, cells=[SETTLED], variants=["fast_litellm"])
    assert [variant for variant, _ in suite.sessions] == ["default", "fast_litellm"]
