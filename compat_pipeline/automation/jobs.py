"""The main jobs: `refresh_matrix` walks the whole way, `run_cells` re-runs any set of cells in one run."""

from collections.abc import Container, Iterator, Sequence

import dagster as dg
from pydantic import Field

from compat_pipeline.assets.cells import (
    NO_TEST,
    cell_metadata,
    cell_results,
    evaluations,
    judged_check,
    observed_check,
    open_cells,
    verdicts,
)
from compat_pipeline.assets.face import ENVIRONMENT, FULL_RANGE, MANIFEST
from compat_pipeline.assets.matrix import Published, compatibility_matrix, matrix_checks, rows_kept, write_matrix
from compat_pipeline.assets.page import matrix_page, write_page
from compat_pipeline.assets.versions import Versions
from compat_pipeline.domain.cell import Cell, NoSuchCell, select
from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.resources.cell_runner import CellRunner, progress
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.suite.runner import has_test

INCONCLUSIVE = "inconclusive"

# Two walks at once would write one another's matrix; Dagster's queue lets one of this tag run at a time.
_ONE_WALK = {"compat/walk": "whole"}

refresh_matrix = dg.define_asset_job(
    "refresh_matrix",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups(ENVIRONMENT),
    tags={**FULL_RANGE, **_ONE_WALK},
    description="Resolve both versions, run every cell, write the matrix, commit it to the docs repository, render it.",
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
    """Observe the chosen cells with the versions recorded last, each materialised as it finishes; then the matrix
    and its page.

    The matrix keeps the rows that it was last written with, and gets those of the chosen cells. Where none is chosen,
    nothing is written.
    """
    versions = Versions.of_run(context, cell_runner)
    chosen = named_cells(config.cells, open_cells(verdicts(cell_runner, versions)))
    observed = set()
    for observation in cell_runner.observe(
        versions.litellm, versions.claude_code, with_a_test(chosen), context.run.run_id
    ):
        observed.add(observation.cell)
        yield dg.AssetMaterialization(
            cell_results.key, partition=observation.cell.key, metadata=dict(cell_metadata(observation))
        )
    for cell in chosen:
        if not has_test(cell):
            yield dg.AssetMaterialization(cell_results.key, partition=cell.key, metadata=dict(NO_TEST))
    known, before = verdicts(cell_runner, versions), Published.of(docs_repo)
    yield from evaluations(cell_results.key, judged_check(known), observed_check(chosen, observed))
    if not chosen:
        progress.info("nothing to run, so the matrix stays as it is")
        return
    rows = rows_kept(cell_runner.home, chosen)
    if unknown := sum(cell not in known and has_test(cell) for cell in rows.cells):
        progress.info(
            "%d cell(s) have no verdict of this suite with these versions: a full run gives them one", unknown
        )
    yield dg.AssetMaterialization(
        compatibility_matrix.key, metadata=dict(write_matrix(cell_runner, before, versions, rows, known))
    )
    yield from evaluations(compatibility_matrix.key, *matrix_checks(cell_runner.home, before, known))
    yield dg.AssetMaterialization(matrix_page.key, metadata=dict(write_page(cell_runner.home, docs_repo)))


@dg.job(description="Re-run any set of cells in one run and write the matrix and its page anew; publishes nothing.")
def run_cells() -> None:
    run_chosen_cells()


def named_cells(patterns: list[str], left_open: Container[str] = ()) -> list[Cell]:
    """The cells that the patterns choose, in manifest order; WrongUsage when a pattern matches none."""
    try:
        named = set(select(MANIFEST.cells, [pattern for pattern in patterns if pattern != INCONCLUSIVE]))
    except NoSuchCell as error:
        raise WrongUsage(str(error)) from error
    wanted = [cell for cell in MANIFEST.cells if cell in named or (INCONCLUSIVE in patterns and cell.key in left_open)]
    progress.info("%d cell(s) chosen", len(wanted))
    return wanted


def with_a_test(cells: Sequence[Cell]) -> list[Cell]:
    """Those of `cells` that can be observed; the others are told of."""
    for cell in cells:
        if not has_test(cell):
            progress.info("no test: %s", cell.key)
    return [cell for cell in cells if has_test(cell)]
