"""Known issues of the accelerator, each with the interval of LiteLLM versions that was seen to have it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated

from packaging.version import Version
from pydantic import Field, field_validator

from compat_pipeline.domain.environment_cell import EnvironmentPart
from compat_pipeline.domain.environment_rows import TROUBLED, EnvironmentRow, python_order
from compat_pipeline.domain.environment_verdict import Stage
from compat_pipeline.domain.manifest import Said, parse_as


class KnownEnvironmentIssue(EnvironmentPart):
    """One known trouble: which `cells` (a shell-style pattern over what `latest` means) have it, at which stages, and a
    regular expression that their words match. `expires` is the last day on which it counts."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    title: Said
    cells: Said
    stages: tuple[Stage, ...] = Field(min_length=1)
    words: Said
    workaround: Said
    link: Annotated[str, Field(pattern=r"^https?://\S+$")]
    expires: Annotated[date, Field(strict=True)]

    @field_validator("words")
    @classmethod
    def _readable(cls, words: str) -> str:
        try:
            re.compile(words)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return words

    def covers(self, row: EnvironmentRow) -> bool:
        return fnmatchcase(row.means.key, self.cells)

    def explains(self, row: EnvironmentRow) -> bool:
        """Whether the trouble of `row` is this one."""
        troubled = row.said in TROUBLED and row.stage in self.stages
        return troubled and self.covers(row) and bool(re.search(self.words, f"{row.signature}\n{row.words}"))


class KnownEnvironmentIssues(EnvironmentPart):
    issues: tuple[KnownEnvironmentIssue, ...] = ()


class Interval(EnvironmentPart):
    """The LiteLLM versions that were seen with an issue, and on which Pythons.

    `last_good` is the newest version below `first` that was seen to work in the same environments, `next_good` the
    oldest above `last`; empty where none was.
    """

    issue: str
    first: str
    last: str
    pythons: tuple[str, ...]
    last_good: str = ""
    next_good: str = ""


def parse_environment_issues(text: str, source: str) -> tuple[KnownEnvironmentIssue, ...]:
    """Read and validate the YAML; raises ManifestError that names `source` and each wrong entry."""
    return parse_as(KnownEnvironmentIssues, text, source).issues


def issue_of(row: EnvironmentRow, issues: Iterable[KnownEnvironmentIssue], today: date) -> str:
    """The id of the issue that explains `row` and has not expired; empty where none does."""
    return next((issue.id for issue in issues if issue.explains(row) and today <= issue.expires), "")


def interval(issue: KnownEnvironmentIssue, rows: Sequence[EnvironmentRow]) -> Interval | None:
    """Where `issue` was seen; None where it was not."""
    struck = [row for row in rows if issue.explains(row)]
    if not struck:
        return None
    versions = sorted((row.litellm for row in struck), key=Version)
    alike = {(row.python, row.runtime, row.lane) for row in struck}
    good = sorted(
        (row.litellm for row in rows if row.works and (row.python, row.runtime, row.lane) in alike), key=Version
    )
    below = [version for version in good if Version(version) < Version(versions[0])]
    above = [version for version in good if Version(version) > Version(versions[-1])]
    return Interval(
        issue=issue.id,
        first=versions[0],
        last=versions[-1],
        pythons=tuple(sorted({row.python for row in struck}, key=python_order)),
        last_good=below[-1] if below else "",
        next_good=above[0] if above else "",
    )


def signatures(issue: KnownEnvironmentIssue, rows: Sequence[EnvironmentRow]) -> tuple[str, ...]:
    """How the environments that have `issue` fail, stage by stage, each once."""
    told = (f"{stage}: {how}" for row in rows if issue.explains(row) for stage, how in row.stages.items())
    return tuple(dict.fromkeys(one.replace("failed: ", "") for one in told if ": failed: " in one))


def check_environment_issues(
    issues: Sequence[KnownEnvironmentIssue], rows: Sequence[EnvironmentRow], today: date
) -> list[str]:
    """What is wrong with `issues`, one sentence each; empty when all of them hold.

    An entry that covers an environment of which nothing is known may still be right: an outage must not ask for the
    removal of what will be needed when it is over.
    """
    wrong = []
    for issue in issues:
        covered = [row for row in rows if issue.covers(row) and not row.excluded]
        unknown = any(row.said in (None, "inconclusive", "targeted") for row in covered)
        if not any(issue.explains(row) for row in covered) and not unknown:
            wrong.append(f"'{issue.id}' matches no broken environment: remove it, see {issue.link}")
        if issue.expires < today:
            wrong.append(f"'{issue.id}' expired on {issue.expires}: renew or remove it, see {issue.link}")
    return wrong


def new_troubles(rows: Sequence[EnvironmentRow]) -> list[str]:
    """The troubled environments that no known issue explains."""
    return [row.cell for row in rows if row.said in TROUBLED and not row.known_issue]
