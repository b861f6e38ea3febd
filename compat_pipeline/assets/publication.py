"""Last stage: one commit in the docs repository that touches one file, or the stated reason why none was due."""

from datetime import timedelta

import dagster as dg

from compat_pipeline.assets.cells import verdicts
from compat_pipeline.assets.face import ENGINEERS, SINGLE_RUN
from compat_pipeline.assets.matrix import compatibility_matrix, held_back, published, written
from compat_pipeline.assets.versions import Versions
from compat_pipeline.domain.diff import Place
from compat_pipeline.domain.matrix import CompatibilityMatrix, dump_matrix
from compat_pipeline.domain.publication import publishable
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.publication.outcome import Publication
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.docs_repo import DocsRepo

NOT_REFUSED = "publication_was_not_refused"
PUBLISHED_WITHIN = timedelta(hours=36)
"""A day, and half a day for a refresh that is late: after that, nothing runs any more."""


@dg.asset(
    group_name="publication",
    owners=ENGINEERS,
    kinds={"git"},
    deps=[compatibility_matrix],
    backfill_policy=SINGLE_RUN,
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=PUBLISHED_WITHIN),
    check_specs=[
        dg.AssetCheckSpec(
            NOT_REFUSED,
            asset="published_docs_commit",
            description="What was due was published: the docs repository, its credentials and its rules allowed it.",
        )
    ],
)
def published_docs_commit(
    context: dg.AssetExecutionContext, cell_runner: CellRunner, docs_repo: DocsRepo
) -> dg.MaterializeResult:
    """The commit that brings the matrix to the docs site."""
    publication, waiting = _published(cell_runner, docs_repo, Versions.of_run(context, cell_runner))
    return dg.MaterializeResult(
        metadata={
            "sha": publication.sha or "none",
            "reason": publication.reason,
            "withheld": dg.MetadataValue.json({f"{row} on {column}": why for (row, column), why in waiting.items()}),
            "docs_repo": docs_repo.place,
            "link": dg.MetadataValue.url(publication.link) if publication.link else "none",
            "diff": dg.MetadataValue.md(f"```diff\n{publication.diff}\n```" if publication.diff else "no difference"),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not publication.refused, check_name=NOT_REFUSED, metadata={"reason": publication.reason}
            )
        ],
    )


def _published(
    cell_runner: CellRunner, docs_repo: DocsRepo, versions: Versions
) -> tuple[Publication, dict[Place, str]]:
    """What became of publishing the matrix, and what of it had to wait. What is published now is seen first."""
    try:
        matrix, before = _of_this_run(written(cell_runner.home), versions), published(docs_repo)
    except CompatError as error:
        return Publication(None, f"refused: {error}", refused=True), {}
    waiting = held_back(cell_runner.home, before, verdicts(cell_runner, versions), matrix)
    message = f"Claude Code compatibility: LiteLLM {matrix.litellm_version}, Claude Code {matrix.claude_code_version}"
    return docs_repo.publish(dump_matrix(publishable(matrix, before, waiting)), message), waiting


def _of_this_run(matrix: CompatibilityMatrix, versions: Versions) -> CompatibilityMatrix:
    """`matrix`, if it is about the versions of this run; CompatError where another run has written its own."""
    pair = (versions.litellm.tag, versions.claude_code.version)
    if (matrix.litellm_version, matrix.claude_code_version) == pair:
        return matrix
    raise CompatError(
        f"the matrix on disk is of LiteLLM {matrix.litellm_version} and Claude Code {matrix.claude_code_version}, "
        f"this run is about {' and '.join(pair)}: another run has written it",
        "run this one again",
    )
