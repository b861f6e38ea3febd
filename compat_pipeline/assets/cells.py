"""Third stage: one observation per cell. A red cell is a result; a cell that could not be judged is one, too."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from compat_pipeline.assets.face import CELLS, ENGINEERS, MANIFEST, SINGLE_RUN, cells_of_run
from compat_pipeline.assets.runtime import claude_cli, litellm_proxy, provider_upstreams
from compat_pipeline.assets.versions import Versions, claude_code_release, litellm_release
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Observation
from compat_pipeline.domain.verdict import Verdict, judge
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.home import Home
from compat_pipeline.suite.runner import has_test

ALL_JUDGED = "every_cell_was_judged"
ALL_OBSERVED = "planned_is_observed"


@dg.asset(
    group_name="cells",
    owners=ENGINEERS,
    kinds={"claude", "pytest"},
    deps=[litellm_release, claude_code_release, claude_cli, provider_upstreams, litellm_proxy],
    partitions_def=CELLS,
    backfill_policy=SINGLE_RUN,
)
def cell_results(context: dg.AssetExecutionContext, cell_runner: CellRunner) -> dg.MaterializeResult:
    """What one run of one cell saw: pass, fail, not applicable or inconclusive, each with its reason."""
    cells = cells_of_run(context)
    versions = Versions.of_run(context, cell_runner)
    tested = [cell for cell in cells if has_test(cell)]
    for observation in cell_runner.observe(versions.litellm, versions.claude_code, tested, context.run.run_id):
        context.add_asset_metadata(cell_metadata(observation), partition_key=observation.cell.key)
    for cell in set(cells) - set(tested):
        context.add_asset_metadata({"status": "not_tested"}, partition_key=cell.key)
    return dg.MaterializeResult()


def cell_metadata(observation: Observation) -> Mapping[str, Any]:
    """What a person sees of one cell in the UI."""
    return {
        "status": observation.outcome.status,
        "cause": observation.cause or "",
        "explanation": dg.MetadataValue.md(observation.explanation or "proven on the wire"),
        "attempts": observation.attempts,
        "duration_s": observation.duration_s,
        "input_tokens": observation.input_tokens,
        "output_tokens": observation.output_tokens,
    }


def verdicts(home: Home, versions: Versions) -> dict[Cell, Verdict]:
    """The verdict of every planned cell that was ever observed with these versions."""
    seen: dict[Cell, list[Observation]] = {}
    for observation in home.history.observations(versions.litellm.tag, versions.claude_code.version, "emulated"):
        seen.setdefault(observation.cell, []).append(observation)
    return {cell: judge(seen[cell]) for cell in MANIFEST.cells if cell in seen}


def unjudged(known: Mapping[Cell, Verdict]) -> list[Cell]:
    """The cells that were observed but could not be judged, in manifest order."""
    return [cell for cell, verdict in known.items() if verdict.status == "unjudged"]


def judged_check(known: Mapping[Cell, Verdict]) -> dg.AssetCheckResult:
    """Lists the cells that could not be judged, with the one action that re-runs just those."""
    open_cells = {cell.key: f"{known[cell].cause}: {known[cell].explanation}" for cell in unjudged(known)}
    return dg.AssetCheckResult(
        passed=not open_cells,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "inconclusive": dg.MetadataValue.json(open_cells),
            "re_run": "job run_cells with cells: [inconclusive]" if open_cells else "nothing to re-run",
        },
    )


@dg.asset_check(asset=cell_results, name=ALL_JUDGED, description="No cell is left inconclusive.")
def every_cell_was_judged(context: dg.AssetCheckExecutionContext, cell_runner: CellRunner) -> dg.AssetCheckResult:
    return judged_check(verdicts(cell_runner.home, Versions.of_run(context.op_execution_context, cell_runner)))


@dg.asset_check(
    asset=cell_results, name=ALL_OBSERVED, description="Planned cells = observed cells + cells without a test."
)
def planned_is_observed(context: dg.AssetCheckExecutionContext, cell_runner: CellRunner) -> dg.AssetCheckResult:
    known = verdicts(cell_runner.home, Versions.of_run(context.op_execution_context, cell_runner))
    missing = missing_cells(known)
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "planned": len(MANIFEST.cells),
            "observed": len(known),
            "without_a_test": len([cell for cell in MANIFEST.cells if not has_test(cell)]),
            "missing": dg.MetadataValue.json(missing),
        },
    )


def missing_cells(known: Mapping[Cell, Verdict]) -> Sequence[str]:
    """Planned cells with a test that nothing was observed of."""
    return [cell.key for cell in MANIFEST.cells if cell not in known and has_test(cell)]
