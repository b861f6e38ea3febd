"""Third stage: one observation per cell. A red cell is a result; a cell that could not be judged is one, too."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from compat_pipeline.assets.face import CELLS, ENGINEERS, MANIFEST, SINGLE_RUN, cells_of_run
from compat_pipeline.assets.runtime import claude_cli, litellm_proxy, provider_upstreams
from compat_pipeline.assets.versions import Versions, claude_code_release, litellm_release
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Consumption, Observation
from compat_pipeline.domain.verdict import Verdict, judge
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.suite.runner import has_test

ALL_JUDGED = "every_cell_was_judged"
ALL_OBSERVED = "planned_is_observed"
NO_TEST = {"status": "not_tested"}
"""What a person sees of a cell that nothing can be observed of."""


@dg.asset(
    group_name="cells",
    owners=ENGINEERS,
    kinds={"claude", "pytest"},
    deps=[litellm_release, claude_code_release, claude_cli, provider_upstreams, litellm_proxy],
    partitions_def=CELLS,
    backfill_policy=SINGLE_RUN,
    check_specs=[
        dg.AssetCheckSpec(ALL_JUDGED, asset="cell_results", description="The latest run of every cell was conclusive."),
        dg.AssetCheckSpec(
            ALL_OBSERVED,
            asset="cell_results",
            description="Cells planned for the run = cells it observed + cells without a test; no row is without any.",
        ),
    ],
)
def cell_results(context: dg.AssetExecutionContext, cell_runner: CellRunner) -> dg.MaterializeResult:
    """What one run of one cell saw: pass, fail, not applicable or inconclusive, each with its reason."""
    cells = cells_of_run(context)
    versions = Versions.of_run(context, cell_runner)
    tested = [cell for cell in cells if has_test(cell)]
    observed = set()
    for observation in cell_runner.observe(versions.litellm, versions.claude_code, tested, context.run.run_id):
        observed.add(observation.cell)
        context.add_asset_metadata(cell_metadata(observation), partition_key=observation.cell.key)
    for cell in set(cells).difference(tested):
        context.add_asset_metadata(NO_TEST, partition_key=cell.key)
    return dg.MaterializeResult(
        check_results=[judged_check(verdicts(cell_runner, versions)), observed_check(cells, observed)]
    )


def cell_metadata(observation: Observation) -> Mapping[str, Any]:
    """What a person sees of one cell in the UI; the cost is what the same calls cost live, whichever they were."""
    taken = observation.consumption or Consumption()
    return {
        "status": observation.outcome.status,
        "cause": observation.cause or "",
        "explanation": dg.MetadataValue.md(observation.explanation or "proven on the wire"),
        "attempts": observation.attempts,
        "duration_s": observation.duration_s,
        "evidence": f"compat evidence {observation.evidence[:12]}" if observation.evidence else "none",
        "findings": dg.MetadataValue.json(list(observation.findings)),
        "upstream_calls": taken.calls,
        "input_tokens": taken.input_tokens,
        "output_tokens": taken.output_tokens,
        "cache_read_tokens": taken.cache_read_tokens,
        "cache_write_tokens": taken.cache_write_tokens,
        "estimated_cost_usd": "unknown" if taken.cost_usd is None else taken.cost_usd,
    }


def verdicts(cell_runner: CellRunner, versions: Versions) -> dict[Cell, Verdict]:
    """The verdict of every planned cell that was ever observed with these versions by this suite."""
    seen: dict[Cell, list[Observation]] = {}
    home = cell_runner.home
    for observation in home.history.observations(
        versions.litellm.tag, versions.claude_code.version, home.paths.upstream, cell_runner.suite_revision
    ):
        seen.setdefault(observation.cell, []).append(observation)
    return {cell: judge(seen[cell]) for cell in MANIFEST.cells if cell in seen}


def open_cells(known: Mapping[Cell, Verdict]) -> dict[str, str]:
    """Cell key -> why its latest observation could not be judged, in manifest order; judged cells are left out."""
    return {cell.key: verdict.open for cell, verdict in known.items() if verdict.open is not None}


def judged_check(known: Mapping[Cell, Verdict]) -> dg.AssetCheckResult:
    """Lists the cells that could not be judged, with the one action that re-runs just those."""
    found = open_cells(known)
    return dg.AssetCheckResult(
        passed=not found,
        check_name=ALL_JUDGED,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "inconclusive": dg.MetadataValue.json(found),
            "re_run": "job run_cells with cells: [inconclusive]" if found else "nothing to re-run",
        },
    )


def observed_check(planned: Sequence[Cell], observed: Container[Cell]) -> dg.AssetCheckResult:
    """Whether each planned cell that has a test was observed, and of no planned row nothing at all.

    A row without any observation is most likely a suite folder that is not called as the manifest says.
    """
    seen = [cell for cell in planned if cell in observed]
    missing = [cell.key for cell in planned if cell not in observed and has_test(cell)]
    silent = silent_rows(planned, seen)
    return dg.AssetCheckResult(
        passed=not missing and not silent,
        check_name=ALL_OBSERVED,
        metadata={
            "planned": len(planned),
            "observed": len(seen),
            "without_a_test": len(planned) - len(seen) - len(missing),
            "missing": dg.MetadataValue.json(missing),
            "rows_without_any": dg.MetadataValue.json(silent),
        },
    )


def silent_rows(planned: Iterable[Cell], observed: Iterable[Cell]) -> list[str]:
    """The features of `planned` of which no cell was observed."""
    heard = {cell.feature for cell in observed}
    return list(dict.fromkeys(cell.feature for cell in planned if cell.feature not in heard))


def evaluations(asset: dg.AssetKey, *results: dg.AssetCheckResult) -> Iterator[dg.AssetCheckEvaluation]:
    """Check results as a job that is no asset job records them."""
    for result in results:
        yield dg.AssetCheckEvaluation(
            asset_key=asset,
            check_name=str(result.check_name),
            passed=result.passed,
            severity=result.severity,
            metadata=result.metadata,
        )
