"""Fourth stage: the locked public JSON and the details beside it, from the verdicts of one pair of versions."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from compat_pipeline.assets.cells import cell_results, verdicts
from compat_pipeline.assets.face import ENGINEERS, FULL_RANGE, SINGLE_RUN, listing
from compat_pipeline.assets.versions import Versions
from compat_pipeline.domain.acknowledged import check_acknowledgements, known_issue_of
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.details import build_details, dump_details
from compat_pipeline.domain.diff import Place, anomalies, changes, parse_published, regressions
from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.markdown import changes_markdown, matrix_markdown
from compat_pipeline.domain.matrix import CompatibilityMatrix, build_matrix, dump_matrix, parse_matrix
from compat_pipeline.domain.publication import withheld
from compat_pipeline.domain.verdict import Verdict
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.resources.home import Home

SCHEMA, ANOMALY, REGRESSION = "schema_is_valid", "no_infrastructure_anomaly", "no_regression"
ACKNOWLEDGED = "acknowledgements_hold"


@dg.asset(
    group_name="matrix",
    owners=ENGINEERS,
    kinds={"json"},
    deps=[cell_results],
    backfill_policy=SINGLE_RUN,
    check_specs=[
        dg.AssetCheckSpec(
            SCHEMA, asset="compatibility_matrix", blocking=True, description='The document is exactly schema "1".'
        ),
        dg.AssetCheckSpec(
            ANOMALY,
            asset="compatibility_matrix",
            description="No whole row or column turned at once since the published matrix: that smells of machines.",
        ),
        dg.AssetCheckSpec(
            REGRESSION, asset="compatibility_matrix", description="No cell that is published as pass fails now."
        ),
        dg.AssetCheckSpec(
            ACKNOWLEDGED,
            asset="compatibility_matrix",
            description="Every acknowledgement matches a red cell, has not expired, and contradicts no other.",
        ),
    ],
)
def compatibility_matrix(
    context: dg.AssetExecutionContext, cell_runner: CellRunner, docs_repo: DocsRepo
) -> dg.MaterializeResult:
    """The matrix of one LiteLLM and one Claude Code version, as the locked JSON and with its details beside it."""
    versions, home, before = Versions.of_run(context, cell_runner), cell_runner.home, Published.of(docs_repo)
    rows = home.planned if FULL_RANGE.items() <= context.run.tags.items() else rows_kept(home)
    known = verdicts(cell_runner, versions)
    return dg.MaterializeResult(
        metadata=write_matrix(cell_runner, before, versions, rows, known),
        check_results=matrix_checks(home, before, known),
    )


@dataclass(frozen=True)
class Published:
    """The matrix as published, None where there is none; `unknown` says why that cannot be told."""

    matrix: CompatibilityMatrix | None
    unknown: str = ""

    @classmethod
    def of(cls, docs_repo: DocsRepo) -> "Published":
        """A docs repository out of reach does not hold up the matrix."""
        try:
            return cls(published(docs_repo))
        except CompatError as error:
            return cls(None, f"unknown: {error}")


def rows_kept(home: Home, chosen: Iterable[Cell] = ()) -> Manifest:
    """The planned rows, those that the matrix was last written with, and those of the `chosen` cells.

    Only a run over all planned cells may drop a row that somebody has asked for.
    """
    try:
        kept = {row.id for row in written(home).features}
    except CompatError:
        kept = set()
    planned = {feature.id for feature in home.planned.features}
    return home.manifest.of_rows(planned | kept | {cell.feature for cell in chosen})


def write_matrix(
    cell_runner: CellRunner, before: Published, versions: Versions, rows: Manifest, known: Mapping[Cell, Verdict]
) -> Mapping[str, Any]:
    """Write both documents with these `rows`; returns what a person sees of them in the UI."""
    home, now = cell_runner.home, datetime.now(timezone.utc)
    pair = {"litellm_version": versions.litellm.tag, "claude_code_version": versions.claude_code.version}
    matrix = build_matrix(rows, known, generated_at=now, **pair)
    details = build_details(
        rows,
        known,
        generated_at=now,
        suite_revision=cell_runner.suite_revision,
        upstream=home.paths.upstream,
        acknowledged=home.acknowledged,
        last_proven=home.history.last_proven(cell_runner.suite_revision, home.paths.upstream),
        withheld=held_back(home, before.matrix, known, matrix),
        **pair,
    )
    write_atomically(home.paths.matrix, dump_matrix(matrix))
    write_atomically(home.paths.details, dump_details(details))
    return {
        "matrix": dg.MetadataValue.md(matrix_markdown(matrix)),
        "changes": dg.MetadataValue.md(before.unknown or changes_markdown(changes(before.matrix, matrix))),
        "litellm_version": matrix.litellm_version,
        "claude_code_version": matrix.claude_code_version,
        "path": dg.MetadataValue.path(home.paths.matrix),
        **Counter(cell.status for cell in matrix.cells.values()),
    }


def held_back(
    home: Home, before: CompatibilityMatrix | None, known: Mapping[Cell, Verdict], fresh: CompatibilityMatrix
) -> dict[Place, str]:
    """The cells of `fresh` that are not to be published now where `before` is published, each with its reason."""
    rows = {row.id for row in fresh.features}
    planned = {cell: known[cell] for cell in home.manifest.cells if cell in known and cell.feature in rows}
    today = datetime.now(timezone.utc).date()
    acknowledged = {cell for cell in planned if known_issue_of(cell, home.acknowledged, today)}
    return withheld(planned, anomalies(before, fresh), acknowledged)


def published(docs_repo: DocsRepo) -> CompatibilityMatrix | None:
    """The matrix as published; None when there is none. CompatError if it cannot be read or is no matrix of ours."""
    document = docs_repo.published()
    try:
        return parse_published(document) if document is not None else None
    except ValueError as error:
        raise CompatError(f"{docs_repo.place}: {error}", "put it aside, or publish to another place") from error


def written(home: Home) -> CompatibilityMatrix:
    """The matrix as last written; CompatError names the file and what is wrong with it."""
    try:
        return parse_matrix(home.paths.matrix.read_text())
    except (OSError, ValueError) as error:
        raise CompatError(f"cannot use {home.paths.matrix}: {error}", "run `compat run` to write it anew") from error


def matrix_checks(home: Home, before: Published, known: Mapping[Cell, Verdict]) -> list[dg.AssetCheckResult]:
    """What is checked of the matrix as written, against the one that is published and the known reds."""
    try:
        fresh = written(home)
    except CompatError as error:
        broken = dg.AssetCheckResult(passed=False, check_name=SCHEMA, metadata={"error": str(error)})
        return [broken, *(listing(check, [], f"unknown: {error}") for check in (ANOMALY, REGRESSION, ACKNOWLEDGED))]
    turned = [f"{change.feature} on {change.provider}" for change in regressions(before.matrix, fresh)]
    return [
        dg.AssetCheckResult(passed=True, check_name=SCHEMA),
        listing(ANOMALY, [str(anomaly) for anomaly in anomalies(before.matrix, fresh)], before.unknown),
        listing(REGRESSION, turned, before.unknown),
        listing(
            ACKNOWLEDGED,
            check_acknowledgements(home.acknowledged, home.manifest.cells, known, datetime.now(timezone.utc).date()),
        ),
    ]
