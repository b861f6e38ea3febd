"""Last stage: one commit in the docs repository that touches one file, or the stated reason why none was due."""

import dagster as dg

from compat_pipeline.assets.face import ENGINEERS, SINGLE_RUN
from compat_pipeline.assets.matrix import compatibility_matrix, written
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.resources.home import Home


@dg.asset(
    group_name="publication", owners=ENGINEERS, kinds={"git"}, deps=[compatibility_matrix], backfill_policy=SINGLE_RUN
)
def published_docs_commit(home: Home, docs_repo: DocsRepo) -> dg.MaterializeResult:
    """The commit that brings the matrix to the docs site."""
    matrix = written(home)
    publication = docs_repo.publish(
        home.paths.matrix.read_text(),
        f"Claude Code compatibility: LiteLLM {matrix.litellm_version}, Claude Code {matrix.claude_code_version}",
    )
    return dg.MaterializeResult(
        metadata={
            "sha": publication.sha or "none",
            "reason": publication.reason,
            "link": dg.MetadataValue.path(docs_repo.path),
            "diff": dg.MetadataValue.md(f"```diff\n{publication.diff}\n```" if publication.diff else "no difference"),
        }
    )
