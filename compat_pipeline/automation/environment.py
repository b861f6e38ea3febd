"""What starts runs of the environment matrix: weekly all of it, chosen environments, a bisection, new releases."""

from collections.abc import Iterator
from typing import get_args

import dagster as dg
from pydantic import Field, TypeAdapter, ValidationError

from compat_pipeline.assets.cells import evaluations
from compat_pipeline.assets.environment import (
    ALL_ENVIRONMENTS,
    claims_check,
    compatibility_report,
    environment_checks,
    environment_matrix,
    environment_plan,
    environment_results,
    interpreters,
    matrix_metadata,
    ran_check,
    result_metadata,
    why_not,
    write_environment_matrix,
    write_plan,
    write_report,
)
from compat_pipeline.assets.face import ENVIRONMENT
from compat_pipeline.automation.sensors import INTERVAL_S, look
from compat_pipeline.domain.bisect import Boundary
from compat_pipeline.domain.cell import NoSuchCell
from compat_pipeline.domain.environment import LATEST, select_environments
from compat_pipeline.domain.environment_cell import ACCELERATOR, AS_OF_TODAY, EnvironmentCell, Lane
from compat_pipeline.domain.environment_verdict import Stage
from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.ground.timetable import Timetable
from compat_pipeline.resources.environments import EnvironmentRunner
from compat_pipeline.resources.registries import PythonIndex

SMALL = "small"
_OF_THE_NEWEST = ["*|latest@*"]
_STAGE: TypeAdapter[Stage] = TypeAdapter(Stage)

_WHEN = Timetable.from_env()

refresh_environment = dg.define_asset_job(
    "refresh_environment",
    selection=dg.AssetSelection.groups(ENVIRONMENT),
    tags={**ALL_ENVIRONMENTS, "compat/walk": ENVIRONMENT},
    description="Run every environment on every Python that is here, write the matrix and the report.",
)


class EnvironmentChoice(dg.Config):
    """Which environments to run."""

    cells: list[str] = Field(
        default=[SMALL],
        description="Keys, patterns such as `3.11|1.97.0@*`, or `small`: this machine's Python with a few versions.",
    )


@dg.op(out=dg.Out(dg.Nothing))
def run_chosen_environments(
    context: dg.OpExecutionContext, config: EnvironmentChoice, environment_runner: EnvironmentRunner
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Plan anew, run the chosen environments, each materialised as it finishes; then the matrix and the report."""
    runner, here = environment_runner, environment_runner.interpreters()
    wanted = set(chosen_environments(runner, config.cells, here.own))
    plan = runner.plan(here)
    yield dg.AssetMaterialization(
        interpreters.key, metadata={"interpreters": dg.MetadataValue.json(here.model_dump(mode="json"))}
    )
    yield dg.AssetMaterialization(environment_plan.key, metadata=dict(write_plan(runner, plan)))
    chosen, observed = [one for one in plan.planned if one.cell in wanted], []
    for one, seen in runner.observe(chosen, context.run.run_id):
        observed.append(one.cell.key)
        yield dg.AssetMaterialization(
            environment_results.key, partition=one.cell.key, metadata=dict(result_metadata(seen))
        )
    for one in chosen:
        if not one.runs:
            told = {"not_run": why_not(one)}
            yield dg.AssetMaterialization(environment_results.key, partition=one.cell.key, metadata=told)
    yield from evaluations(environment_results.key, ran_check(chosen, observed))
    matrix = write_environment_matrix(runner, plan)
    yield dg.AssetMaterialization(environment_matrix.key, metadata=dict(matrix_metadata(runner, matrix)))
    yield from evaluations(environment_matrix.key, *environment_checks(runner, matrix))
    yield dg.AssetMaterialization(compatibility_report.key, metadata=dict(write_report(runner, matrix)))
    yield from evaluations(compatibility_report.key, claims_check(runner, matrix))


@dg.job(description="Run any set of environments in one run; write the matrix and the report anew.")
def run_environments() -> None:
    run_chosen_environments()


class BisectChoice(dg.Config):
    """Where to look for the first LiteLLM that fails."""

    python: str = Field(default="", description="A Python minor; else this machine's own.")
    runtime: str = Field(default=f"{ACCELERATOR}=={LATEST}", description="`stock`, or the accelerator's requirement.")
    stage: str = Field(default="messages", description="The stage that fails.")
    good: str = Field(description="A LiteLLM version with which it is passed.")
    bad: str = Field(description="A later one with which it is not.")
    lane: str = Field(default=AS_OF_TODAY, description="`as_of_today` or `as_released`.")


@dg.op(out=dg.Out(dg.Nothing))
def bisect_chosen_versions(
    context: dg.OpExecutionContext, config: BisectChoice, environment_runner: EnvironmentRunner
) -> None:
    """Halve the versions between a good and a bad one; writes environment-bisect.json."""
    boundary = bisect(environment_runner, config)
    path = environment_runner.home.paths.boundary
    write_atomically(path, boundary.model_dump_json(indent=2) + "\n")
    context.log_event(
        dg.AssetObservation(
            asset_key=environment_results.key,
            metadata={**boundary.model_dump(mode="json"), "path": dg.MetadataValue.path(path)},
        )
    )


@dg.job(description="Find the first LiteLLM version with which a stage fails; every version tried is really run.")
def bisect_environment() -> None:
    bisect_chosen_versions()


weekly_environment_schedule = dg.ScheduleDefinition(
    name="weekly_environment_schedule",
    job=refresh_environment,
    cron_schedule=f"0 {_WHEN.hour} * * 0",
    execution_timezone=_WHEN.zone,
    description="Every environment once a week, on Sunday at COMPAT_SCHEDULE_HOUR of COMPAT_TIME_ZONE.",
)


@dg.sensor(
    job=run_environments,
    minimum_interval_seconds=INTERVAL_S,
    description="The newest versions on every Python for each new LiteLLM. Its cursor is the version seen last.",
)
def environment_litellm_sensor(context: dg.SensorEvaluationContext, python_index: PythonIndex) -> dg.SensorResult:
    return look(context, "LiteLLM", "environment_litellm", lambda: python_index.resolve(LATEST).version, _newest_only)


@dg.sensor(
    job=run_environments,
    minimum_interval_seconds=INTERVAL_S,
    description="The newest versions on every Python for each new accelerator. Its cursor is the version seen last.",
)
def accelerator_release_sensor(context: dg.SensorEvaluationContext, python_index: PythonIndex) -> dg.SensorResult:
    return look(context, ACCELERATOR, "environment_accelerator", python_index.newest_accelerator, _newest_only)


def _newest_only(_version: str) -> dict[str, object]:
    return {"ops": {run_chosen_environments.name: {"config": {"cells": _OF_THE_NEWEST}}}}


def chosen_environments(runner: EnvironmentRunner, patterns: list[str], own: str) -> list[EnvironmentCell]:
    """The environments that the patterns choose, in manifest order; WrongUsage when one matches none."""
    cells = runner.manifest.cells
    small = runner.manifest.small_set(own) if SMALL in patterns else []
    if SMALL in patterns and not small:
        raise WrongUsage(f"the small set has none for this machine's Python {own}", "name others with --cells")
    try:
        named = select_environments(cells, [pattern for pattern in patterns if pattern != SMALL])
    except NoSuchCell as error:
        raise WrongUsage(str(error)) from error
    return [cell for cell in cells if cell in small or cell in named]


def bisect(runner: EnvironmentRunner, config: BisectChoice) -> Boundary:
    """The boundary that `config` asks for; WrongUsage for what makes no sense."""
    here = runner.interpreters()
    try:
        stage = _STAGE.validate_python(config.stage)
        key = f"{config.python or here.own}|{config.good}@{config.runtime}@{config.lane}"
        cell = EnvironmentCell.parse(key)
    except (ValidationError, ValueError) as error:
        raise WrongUsage(
            f"there is nothing to bisect: {config.stage} of {config.runtime}, {config.lane}",
            f"a stage is one of: {', '.join(get_args(Stage))}; a lane one of: {', '.join(get_args(Lane))}",
        ) from error
    if cell.runtime == f"{ACCELERATOR}=={LATEST}":
        cell = cell._replace(runtime=f"{ACCELERATOR}=={runner.python_index.newest_accelerator()}")
    return runner.bisect(cell, config.bad, stage, here)
