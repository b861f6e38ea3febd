"""The environment matrix, beside the walk of the first one: interpreters, plan, results, matrix and report."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg

from compat_pipeline.assets.face import (
    ENGINEERS,
    ENVIRONMENT,
    RANGE_END,
    RANGE_START,
    SINGLE_RUN,
    keys_of_run,
    listing,
)
from compat_pipeline.assets.versions import recorded
from compat_pipeline.domain.environment import EnvironmentPlan, Interpreters, Planned
from compat_pipeline.domain.environment_claims import claims_without_cell
from compat_pipeline.domain.environment_issues import check_environment_issues
from compat_pipeline.domain.environment_matrix import EnvironmentMatrix, dump_environment_matrix
from compat_pipeline.domain.environment_report import WORDS, render_report
from compat_pipeline.domain.environment_verdict import EnvironmentObservation, signature
from compat_pipeline.domain.markdown import plain, table
from compat_pipeline.ground.environment_files import load_environments
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, write_atomically
from compat_pipeline.resources.environments import EnvironmentRunner

ALL_RAN, CONTROLS, YOUNG, ISSUES, CLAIMED = (
    "planned_is_observed",
    "negative_control_is_red",
    "nothing_stale_is_verified",
    "known_issues_hold",
    "every_claim_has_a_cell",
)

_MANIFEST = load_environments()

ENVIRONMENTS = dg.MultiPartitionsDefinition(
    {
        "python": dg.StaticPartitionsDefinition(list(_MANIFEST.pythons)),
        "stack": dg.StaticPartitionsDefinition(_MANIFEST.stacks),
    }
)
"""Python x LiteLLM@runtime."""

ALL_ENVIRONMENTS = {RANGE_START: _MANIFEST.cells[0].key, RANGE_END: _MANIFEST.cells[-1].key}
"""Run tags that make one run cover every environment."""


@dg.asset(group_name=ENVIRONMENT, owners=ENGINEERS, kinds={"python"}, backfill_policy=SINGLE_RUN)
def interpreters(environment_runner: EnvironmentRunner) -> dg.MaterializeResult:
    """The Pythons of this machine, each started once: on the PATH, of pyenv, of uv."""
    here = environment_runner.interpreters()
    rows = [[one.minor, one.version, plain(one.path), plain(one.trouble)] for one in here.found]
    return dg.MaterializeResult(
        metadata={
            "found": dg.MetadataValue.md(table(["Python", "Version", "Path", "Trouble"], rows)),
            "platform": here.platform,
            "interpreters": dg.MetadataValue.json(here.model_dump(mode="json")),
        }
    )


@dg.asset(group_name=ENVIRONMENT, owners=ENGINEERS, kinds={"yaml"}, deps=[interpreters], backfill_policy=SINGLE_RUN)
def environment_plan(context: dg.AssetExecutionContext, environment_runner: EnvironmentRunner) -> dg.MaterializeResult:
    """What every environment of the manifest means today, and what a resolver says of those that cannot be run here."""
    here = recorded(context, interpreters.key, Interpreters, "interpreters") or environment_runner.interpreters()
    return dg.MaterializeResult(metadata=write_plan(environment_runner, environment_runner.plan(here)))


@dg.asset(
    group_name=ENVIRONMENT,
    owners=ENGINEERS,
    kinds={"litellm", "claude"},
    deps=[environment_plan],
    partitions_def=ENVIRONMENTS,
    backfill_policy=SINGLE_RUN,
    check_specs=[
        dg.AssetCheckSpec(
            ALL_RAN,
            asset="environment_results",
            description="Environments planned for the run = those it observed + those that cannot be run; not none.",
        )
    ],
)
def environment_results(
    context: dg.AssetExecutionContext, environment_runner: EnvironmentRunner
) -> dg.MaterializeResult:
    """What one run of one environment saw, stage by stage, with a venv of its own."""
    keys = keys_of_run(context, ENVIRONMENTS)
    chosen = [one for one in plan_of(environment_runner).planned if one.cell.key in keys]
    observed = set()
    for one, seen in environment_runner.observe(chosen, context.run.run_id):
        observed.add(one.cell.key)
        context.add_asset_metadata(result_metadata(seen), partition_key=one.cell.key)
    for one in chosen:
        if not one.runs:
            context.add_asset_metadata({"not_run": why_not(one)}, partition_key=one.cell.key)
    return dg.MaterializeResult(check_results=[ran_check(chosen, observed)])


@dg.asset(
    group_name=ENVIRONMENT,
    owners=ENGINEERS,
    kinds={"json"},
    deps=[environment_results],
    backfill_policy=SINGLE_RUN,
    check_specs=[
        dg.AssetCheckSpec(
            CONTROLS, asset="environment_matrix", description="A negative control was tried, and each one was noticed."
        ),
        dg.AssetCheckSpec(
            YOUNG, asset="environment_matrix", description="Nothing older than its limit is shown as verified."
        ),
        dg.AssetCheckSpec(
            ISSUES,
            asset="environment_matrix",
            description="Every known issue matches a broken environment; none is new.",
        ),
    ],
)
def environment_matrix(environment_runner: EnvironmentRunner) -> dg.MaterializeResult:
    """environment-matrix.json: every environment of the manifest, from all that was ever seen of it here."""
    matrix = write_environment_matrix(environment_runner, plan_of(environment_runner))
    return dg.MaterializeResult(
        metadata=matrix_metadata(environment_runner, matrix),
        check_results=environment_checks(environment_runner, matrix),
    )


@dg.asset(
    group_name=ENVIRONMENT,
    owners=ENGINEERS,
    kinds={"markdown"},
    deps=[environment_matrix],
    backfill_policy=SINGLE_RUN,
    check_specs=[
        dg.AssetCheckSpec(
            CLAIMED, asset="compatibility_report", description="Every claim is about an environment that is planned."
        )
    ],
)
def compatibility_report(environment_runner: EnvironmentRunner) -> dg.MaterializeResult:
    """COMPATIBILITY.md, from environment-matrix.json."""
    matrix = written_environment_matrix(environment_runner.home.paths)
    return dg.MaterializeResult(
        metadata=write_report(environment_runner, matrix), check_results=[claims_check(environment_runner, matrix)]
    )


def plan_of(runner: EnvironmentRunner) -> EnvironmentPlan:
    """The plan as last written, or a new one where there is none, or none that can be read."""
    try:
        return EnvironmentPlan.model_validate_json(runner.home.paths.environment_plan.read_bytes())
    except (OSError, ValueError):
        return runner.plan(runner.interpreters())


def write_plan(runner: EnvironmentRunner, plan: EnvironmentPlan) -> Mapping[str, Any]:
    """Write the plan for the stages after it; returns what a person sees of it in the UI."""
    path = runner.home.paths.environment_plan
    write_atomically(path, plan.model_dump_json(indent=2) + "\n")
    return {
        "path": dg.MetadataValue.path(path),
        "run_here": sum(one.runs for one in plan.planned),
        "excluded": sum(bool(one.excluded) for one in plan.planned),
        "targets": len(plan.targets),
        **{f"newest_{package}": version for package, version in plan.newest.items()},
    }


def result_metadata(seen: EnvironmentObservation) -> Mapping[str, Any]:
    """What a person sees of one environment in the UI."""
    unsound = seen.first_unsound
    return {
        "outcome": f"{unsound.outcome} at {unsound.stage}" if unsound else "passed",
        "signature": signature(unsound.words) if unsound else "",
        "words": dg.MetadataValue.md(f"```\n{unsound.words}\n```" if unsound else "every stage was passed"),
        "stages": dg.MetadataValue.json({one.stage: f"{one.outcome}, {one.duration_s:.1f} s" for one in seen.stages}),
        "python": seen.python_version,
        "duration_s": seen.duration_s,
        "evidence": f"compat evidence {seen.evidence[:12]}" if seen.evidence else "none",
    }


def why_not(one: Planned) -> str:
    """Why an environment of the plan is not run."""
    if one.excluded or one.interpreter is None:
        return one.excluded or f"there is no Python {one.cell.python} here"
    return one.interpreter.trouble


def ran_check(chosen: Sequence[Planned], observed: Iterable[str]) -> dg.AssetCheckResult:
    """A run without any observation is no run: a report of nothing must not look like a success."""
    seen = set(observed)
    missing = [one.cell.key for one in chosen if one.runs and one.cell.key not in seen]
    return dg.AssetCheckResult(
        passed=bool(seen) and not missing,
        check_name=ALL_RAN,
        metadata={
            "planned": len(chosen),
            "observed": len(seen),
            "excluded": sum(not one.runs for one in chosen),
            "missing": dg.MetadataValue.json(missing),
        },
    )


def write_environment_matrix(runner: EnvironmentRunner, plan: EnvironmentPlan) -> EnvironmentMatrix:
    """The matrix as it was written."""
    matrix = runner.matrix(plan)
    write_atomically(runner.home.paths.environment_matrix, dump_environment_matrix(matrix))
    return matrix


def written_environment_matrix(paths: CompatHome) -> EnvironmentMatrix:
    """The matrix as last written; CompatError names the file and what is wrong with it."""
    path = paths.environment_matrix
    try:
        return EnvironmentMatrix.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CompatError(f"cannot use {path}: {error}", "run `compat environment` to write it anew") from error


def matrix_metadata(runner: EnvironmentRunner, matrix: EnvironmentMatrix) -> Mapping[str, Any]:
    """What a person sees of the matrix in the UI."""
    rows = [[plain(row.cell), WORDS[row.status], row.stage or ""] for row in matrix.environments if row.status]
    return {
        "matrix": dg.MetadataValue.md(table(["Environment", "Status", "Stage"], rows)),
        "path": dg.MetadataValue.path(runner.home.paths.environment_matrix),
        **matrix.counts,
    }


def environment_checks(runner: EnvironmentRunner, matrix: EnvironmentMatrix) -> list[dg.AssetCheckResult]:
    """What is checked of the matrix as written."""
    now, today = datetime.now(timezone.utc), datetime.now(timezone.utc).date()
    limit = timedelta(days=matrix.valid_days)
    tried = {f"{row.cell}: {name}": one.red for row in matrix.environments for name, one in row.controls.items()}
    old = [row.cell for row in matrix.environments if row.works and row.observed_at and now - row.observed_at > limit]
    wrong = check_environment_issues(runner.issues, matrix.environments, today)
    new = [f"new: {cell}" for cell in matrix.new]
    return [
        listing(CONTROLS, [name for name, red in tried.items() if not red] if tried else ["none was tried"]),
        listing(YOUNG, old),
        listing(ISSUES, wrong + new),
    ]


def write_report(runner: EnvironmentRunner, matrix: EnvironmentMatrix) -> Mapping[str, Any]:
    """Write the report; returns what a person sees of it in the UI."""
    report = render_report(matrix, runner.manifest.platforms)
    write_atomically(runner.home.paths.compatibility_report, report)
    return {
        "report": dg.MetadataValue.md(report),
        "path": dg.MetadataValue.path(runner.home.paths.compatibility_report),
    }


def claims_check(runner: EnvironmentRunner, matrix: EnvironmentMatrix) -> dg.AssetCheckResult:
    return listing(CLAIMED, claims_without_cell(runner.manifest.claims, matrix.environments))
