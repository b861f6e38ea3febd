"""The main jobs: `refresh_matrix` walks the whole way, `run_cells` re-runs any set of cells in one run."""

from collections.abc import Container, Iterator

import dagster as dg
from pydantic import Field

from compat_pipeline.assets.cells import cell_metadata, cell_results, evaluations, judged_check, open_cells, verdicts
from compat_pipeline.assets.face import FULL_RANGE, MANIFEST
from compat_pipeline.assets.matrix import Published, compatibility_matrix, matrix_checks, write_matrix
from compat_pipeline.assets.versions import Versions
from compat_pipeline.domain.cell import Cell, NoSuchCell, select
from compat_pipeline.resources.cell_runner import CellRunner, progress
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.suite.runner import has_test

INCONCLUSIVE = "inconclusive"

# Two walks at once would write one another's matrix; Dagster's queue lets one of this tag run at a time.
_ONE_WALK = {"compat/walk": "whole"}

refresh_matrix = dg.define_asset_job(
    "refresh_matrix",
    selection=dg.AssetSelection.all(),
    tags={**FULL_RANGE, **_ONE_WALK},
    description="Resolve both versions, run every cell, write the matrix, commit it to the docs repository.",
)


class CellChoice(dg.Config):
    """Which cells to run."""

    cells: list[str] = Field(
        description="Cell keys, patterns such as `tool_use|bedrock_*/*`, or `inconclusive` for all that are open."
    )


@dg.op(out=dg.Out(dg.Nothing))
def run_chosen_cells(
    context: dg.OpExecutionContext, config: CellChoice, cell_runner: CellRunner, docs_repo: DocsRepo
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Observe the chosen cells with the versions recorded last, each materialised as it finishes; then the matrix."""
    versions = Versions.of_run(context, cell_runner)
    cells = chosen_cells(config.cells, open_cells(verdicts(cell_runner, versions)))
    for observation in cell_runner.observe(versions.litellm, versions.claude_code, cells, context.run.run_id):
        yield dg.AssetMaterialization(
            cell_results.key, partition=observation.cell.key, metadata=dict(cell_metadata(observation))
        )
    known, before = verdicts(cell_runner, versions), Published.of(docs_repo)
    yield from evaluations(cell_results.key, judged_check(known))
    yield dg.AssetMaterialization(compatibility_matrix.key, metadata=dict(write_matrix(cell_runner, before, versions)))
    yield from evaluations(compatibility_matrix.key, *matrix_checks(cell_runner.home, before, known))


@dg.job(description="Re-run any set of cells in one run and write the matrix anew; publishes nothing.")
def run_cells() -> None:
    run_chosen_cells()


def chosen_cells(patterns: list[str], left_open: Container[str]) -> list[Cell]:
    """The cells with a test that the patterns choose, in manifest order; Failure when a pattern matches none."""
    try:
        named = select(MANIFEST.cells, [pattern for pattern in patterns if pattern != INCONCLUSIVE])
    except NoSuchCell as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    wanted = [cell for cell in MANIFEST.cells if cell in named or (INCONCLUSIVE in patterns and cell.key in left_open)]
    progress.info("%d cell(s) chosen", len(wanted))
    for cell in wanted:
        if not has_test(cell):
            progress.info("no test: %s", cell.key)
    return [cell for cell in wanted if has_test(cell)]
