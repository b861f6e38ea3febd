"""What all assets share in the UI: owners, the backfill policy, the partitions of the matrix."""

from __future__ import annotations

import warnings

import dagster as dg

from compat_pipeline.domain.cell import Cell
from compat_pipeline.ground.manifest_file import load_manifest, planned_rows

warnings.filterwarnings("ignore", category=dg.BetaWarning)

ENGINEERS = ["team:compat-pipeline"]

ENVIRONMENT = "environment"
"""The group of the environment matrix, which no walk of the first matrix touches."""

# On every asset: a run over a range of partitions is refused otherwise.
SINGLE_RUN = dg.BackfillPolicy.single_run()

MANIFEST = load_manifest()
"""The manifest that the partitions were made from; read once, when Dagster loads the code."""

CELLS = dg.MultiPartitionsDefinition(
    {
        "feature": dg.StaticPartitionsDefinition([feature.id for feature in MANIFEST.features]),
        "target": dg.StaticPartitionsDefinition(MANIFEST.targets),
    }
)
"""feature x provider/model: Dagster allows two dimensions, and its grid then looks like the matrix."""

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

PLANNED = planned_rows(MANIFEST)
"""The rows of the matrix that is written; they come first in the manifest."""

FULL_RANGE = {RANGE_START: PLANNED.cells[0].key, RANGE_END: PLANNED.cells[-1].key}
"""Run tags that make one run cover every planned cell."""


def cells_of_run(context: dg.AssetExecutionContext) -> list[Cell]:
    """The cells this run was launched for, in manifest order; raises Failure as `keys_of_run` does."""
    keys = keys_of_run(context, CELLS)
    return [cell for cell in MANIFEST.cells if cell.key in keys]


def keys_of_run(context: dg.AssetExecutionContext, partitions: dg.MultiPartitionsDefinition) -> set[str]:
    """The keys of `partitions` that this run was launched for.

    Raises Failure where Dagster would silently run fewer: a backfill launched from a job's page tags each run for a
    range and for one key, and then hands out that one key only (dagster#28861).
    """
    keys = {str(key) for key in context.partition_keys}
    tags = context.run.tags
    if RANGE_START in tags:
        span = dg.PartitionKeyRange(tags[RANGE_START], tags[RANGE_END])
        wanted = {str(key) for key in partitions.get_partition_keys_in_range(span)}
        if wanted != keys:
            raise dg.Failure(
                f"this run is tagged for {len(wanted)} cells, but Dagster hands out {len(keys)}: launch it from the "
                "asset's page (or use the job run_cells or run_environments)",
                allow_retries=False,
            )
    return keys


def listing(check: str, found: list[str], unknown: str = "") -> dg.AssetCheckResult:
    """A check that found nothing, or `found`; it does not pass either where that is `unknown`."""
    return dg.AssetCheckResult(
        passed=not found and not unknown,
        check_name=check,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"found": dg.MetadataValue.json(found), **({"unknown": unknown} if unknown else {})},
    )
