"""The two jobs: `refresh_matrix` walks the whole way, `run_cells` re-runs any set of cells in one run."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from compat_pipeline.assets.cells import ALL_JUDGED, cell_metadata, cell_results, judged_check, unjudged, verdicts
from compat_pipeline.assets.face import FULL_RANGE, MANIFEST
from compat_pipeline.assets.matrix import compatibility_matrix, write_matrix
from compat_pipeline.assets.versions import Versions
from compat_pipeline.domain.cell import Cell, NoSuchCell, select
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.suite.runner import has_test

INCONCLUSIVE = "inconclusive"

refresh_matrix = dg.define_asset_job(
    "refresh_matrix",
    selection=dg.AssetSelection.all(),
    tags=FULL_RANGE,
    description="Resolve both versions, run every cell, write the matrix, commit it to the docs repository.",
)


class CellChoice(dg.Config):
    """Which cells to run."""

    cells: list[str] = Field(
        description="Cell keys, patterns such as `tool_use|bedrock_*/*`, or `inconclusive` for all that are open."
    )


@dg.op(description="Observe the chosen cells with the versions of the current matrix; materialise each as it finishes.")
def run_chosen_cells(
    context: dg.OpExecutionContext, config: CellChoice, cell_runner: CellRunner
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.Output[None]]:
    versions = Versions.of_run(context, cell_runner)
    cells = chosen_cells(config.cells, unjudged(verdicts(cell_runner.home, versions)))
    context.log.info("%d cell(s) chosen", len(cells))
    for observation in cell_runner.observe(versions.litellm, versions.claude_code, cells, context.run.run_id):
        yield dg.AssetMaterialization(
            cell_results.key, partition=observation.cell.key, metadata=dict(cell_metadata(observation))
        )
    judged = judged_check(verdicts(cell_runner.home, versions))
    yield dg.AssetCheckEvaluation(
        asset_key=cell_results.key,
        check_name=ALL_JUDGED,
        passed=judged.passed,
        severity=judged.severity,
        metadata=judged.metadata,
    )
    yield dg.Output(None)


@dg.op(ins={"after": dg.In(dg.Nothing)}, description="Write the matrix anew from all observations.")
def rewrite_matrix(
    context: dg.OpExecutionContext, cell_runner: CellRunner, docs_repo: DocsRepo
) -> Iterator[dg.AssetMaterialization | dg.Output[None]]:
    metadata = write_matrix(cell_runner, docs_repo, Versions.of_run(context, cell_runner))
    yield dg.AssetMaterialization(compatibility_matrix.key, metadata=dict(metadata))
    yield dg.Output(None)


@dg.job(description="Re-run any set of cells in one run and write the matrix anew; publishes nothing.")
def run_cells() -> None:
    rewrite_matrix(after=run_chosen_cells())


def chosen_cells(patterns: list[str], open_cells: list[Cell]) -> list[Cell]:
    """The cells with a test that the patterns choose, in manifest order; Failure when a pattern matches none."""
    try:
        named = select(MANIFEST.cells, [pattern for pattern in patterns if pattern != INCONCLUSIVE])
    except NoSuchCell as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    wanted = {*named, *(open_cells if INCONCLUSIVE in patterns else [])}
    return [cell for cell in MANIFEST.cells if cell in wanted and has_test(cell)]
