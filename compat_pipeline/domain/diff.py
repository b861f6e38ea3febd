"""What changed between two matrices: changes, regressions, signs of broken infrastructure, and whether to publish."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple, get_args

from compat_pipeline.domain.matrix import CompatibilityMatrix, MatrixCell, MatrixStatus, parse_matrix

Place = tuple[str, str]
"""(feature id, provider id): where a published cell stands."""

_OURS = tuple(
    re.compile(rf'"{name}"\s*:\s*{value}')
    for name, value in (("schema_version", '"1"'), ("litellm_version", '"'), ("claude_code_version", '"'))
)
"""What stands in a document of ours even if it is damaged: others have a version of their schema, too."""

REFRESH_AGE = timedelta(hours=24)
"""How old a published document may get before it is replaced by one that says the same."""


ChangeKind = Literal["broken", "fixed", "changed", "added", "removed"]
"""What matters most first. `broken`: it passed and fails; `fixed`: it failed and passes; `changed`: anything else."""


@dataclass(frozen=True)
class Change:
    """One cell whose status changed. `before` is None for a cell that was added, `after` for one that was removed."""

    feature: str
    provider: str
    before: MatrixStatus | None
    after: MatrixStatus | None

    @property
    def kind(self) -> ChangeKind:
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        step = (self.before, self.after)
        return "broken" if step == ("pass", "fail") else "fixed" if step == ("fail", "pass") else "changed"

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.feature} on {self.provider}: added, {self.after}"
        return f"{self.feature} on {self.provider}: {self.before} -> {self.after or 'removed'}"


@dataclass(frozen=True)
class Anomaly:
    """A whole column or row that broke at once; `cells` are those that had not failed before, and do not pass now."""

    line: Literal["column", "row"]
    name: str
    cells: tuple[Place, ...]

    def __str__(self) -> str:
        return f"{self.line} {self.name}: all {len(self.cells)} cells that had not failed before broke at once"


def changes(before: CompatibilityMatrix | None, after: CompatibilityMatrix) -> list[Change]:
    """Every cell whose status differs, in the order of `after`, then what it no longer has. A first matrix has none."""
    if before is None:
        return []
    old, new = before.cells, after.cells
    return [
        Change(feature, provider, _status(old, (feature, provider)), _status(new, (feature, provider)))
        for feature, provider in dict.fromkeys([*new, *old])
        if _status(old, (feature, provider)) != _status(new, (feature, provider))
    ]


def regressions(before: CompatibilityMatrix | None, after: CompatibilityMatrix) -> list[Change]:
    """The cells that passed and now fail."""
    return by_kind(changes(before, after))["broken"]


def by_kind(changed: Sequence[Change]) -> dict[ChangeKind, list[Change]]:
    """Every kind, what matters most first, with its changes."""
    return {kind: [change for change in changed if change.kind == kind] for kind in get_args(ChangeKind)}


def anomalies(before: CompatibilityMatrix | None, after: CompatibilityMatrix) -> list[Anomaly]:
    """Whole columns, then rows, that broke at once.

    A column (or row) counts when at least two of its cells had not failed before and none of those passes now. One
    cell is a finding; all of them at once are more likely an account, a deployment or a network. Only cells in both
    count. One that was not tested counts if it is red or green now: an anomaly that is withheld under new versions is
    published as that, and is still one when it is looked at again.
    """
    if before is None:
        return []
    new = after.cells
    unfailed = [place for place, cell in before.cells.items() if place in new and _unfailed(cell, new[place])]
    columns = [
        Anomaly("column", name, tuple(place for place in unfailed if place[1] == name)) for name in after.providers
    ]
    rows = [Anomaly("row", row.id, tuple(place for place in unfailed if place[0] == row.id)) for row in after.features]
    return [
        line
        for line in columns + rows
        if len(line.cells) >= 2 and all(new[place].status != "pass" for place in line.cells)
    ]


def parse_published(document: str) -> CompatibilityMatrix | None:
    """The matrix in a published document; None where it is blank (or `{}`), or was one of ours and is damaged.

    ValueError for everything else: what somebody else wrote, or a later version of this product, stays.
    """
    try:
        return parse_matrix(document)
    except ValueError as error:
        if document.strip() in ("", "{}") or all(one.search(document) for one in _OURS):
            return None
        raise ValueError(f"what is published there is no matrix of schema 1: {error}") from error


class Due(NamedTuple):
    """Whether a document is to be published, and why, or why not, in one line."""

    now: bool
    reason: str


def due(published: str | None, fresh: str, refresh: timedelta = REFRESH_AGE) -> Due:
    """Whether the document `fresh` should replace `published`.

    It should when more than `generated_at` differs, or when the published one is `refresh` old: readers take a page
    for as fresh as it says it is. A blank or damaged one is replaced. One that was made after `fresh` stands, because
    another run was faster; one dated a whole `refresh` or more ahead comes from a wrong clock and is replaced. Raises
    ValueError when `fresh` is not a valid document, and when `published` is something else than a matrix.
    """
    after = parse_matrix(fresh)
    if published is None:
        return Due(True, "first publication")
    before = parse_published(published)
    if before is None:
        return Due(True, "the published document is blank or damaged")
    age = after.generated_at - before.generated_at
    if timedelta(0) < -age < refresh:
        return Due(False, f"a newer matrix, of {before.generated_at:%Y-%m-%d %H:%M:%S} UTC, is already published")
    if before.model_copy(update={"generated_at": after.generated_at}) != after:
        return Due(True, "; ".join(_reasons(before, after)))
    if abs(age) >= refresh:
        hours = abs(age).total_seconds() / 3600
        return Due(True, f"the published document is {hours:.0f} h {'old' if age > timedelta(0) else 'ahead of time'}")
    return Due(False, "nothing changed but the time")


def _reasons(before: CompatibilityMatrix, after: CompatibilityMatrix) -> Sequence[str]:
    reasons = [
        f"{name} {old} -> {new}"
        for name, old, new in (
            ("LiteLLM", before.litellm_version, after.litellm_version),
            ("Claude Code", before.claude_code_version, after.claude_code_version),
        )
        if old != new
    ]
    if changed := changes(before, after):
        listed = ", ".join(map(str, changed[:3])) + (", ..." if len(changed) > 3 else "")
        reasons.append(f"{len(changed)} cell{'s' if len(changed) > 1 else ''} changed ({listed})")
    return reasons or ["names, order or explanations changed"]


def _unfailed(before: MatrixCell, now: MatrixCell) -> bool:
    return before.status == "pass" or (before.status == "not_tested" and now.status in ("pass", "fail"))


def _status(cells: Mapping[Place, MatrixCell], where: Place) -> MatrixStatus | None:
    return cells[where].status if where in cells else None
