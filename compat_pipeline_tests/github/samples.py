"""A docs repository's content, and what a test looks for in it afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from compat_pipeline.domain.matrix import CompatibilityMatrix, Failing, MatrixRow, Passing, dump_matrix
from compat_pipeline_tests.github.stand_in import GithubStandIn
from compat_pipeline_tests.github.state import Repository

DOCS, APP = "acme/docs", "4711"
NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
TOKEN = "github_pat_0123456789abcdef"


def document(error: str = "", seconds: float = 0) -> str:
    """A valid matrix of `seconds` after noon; `error` makes its only cell fail."""
    cell = Failing(error=error) if error else Passing()
    return dump_matrix(
        CompatibilityMatrix(
            schema_version="1",
            generated_at=NOON + timedelta(seconds=seconds),
            litellm_version="v1.106.2",
            claude_code_version="2.1.329",
            providers=("azure",),
            features=(MatrixRow(id="vision", name="Vision", providers={"azure": cell}),),
        )
    )


def subjects(repository: Repository, branch: str = "main") -> list[str]:
    """The messages of a branch, newest first."""
    return [repository.objects.commits[sha].message for sha in repository.objects.line(branch)]


def touched(repository: Repository, branch: str = "main") -> list[str]:
    """What the newest commit of a branch changed."""
    commit = repository.objects.branches[branch]
    return list(repository.objects.changed(repository.objects.commits[commit].parents[0], commit))


def writes(github: GithubStandIn) -> list[str]:
    """The requests that changed something, but for the sign-in."""
    return [call for call in github.calls if call.split()[0] != "GET" and "access_tokens" not in call]
