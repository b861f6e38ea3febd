"""The environment matrix: the document that the report is written from. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import AwareDatetime

from compat_pipeline.domain.environment import EnvironmentManifest, EnvironmentPlan, Planned
from compat_pipeline.domain.environment_cell import ACCELERATOR, EnvironmentCell, EnvironmentPart
from compat_pipeline.domain.environment_claims import ClaimSeen, check_claims
from compat_pipeline.domain.environment_issues import (
    Interval,
    KnownEnvironmentIssue,
    interval,
    issue_of,
    new_troubles,
    signatures,
)
from compat_pipeline.domain.environment_rows import Control, EnvironmentRow, TargetSeen, wheel_pythons
from compat_pipeline.domain.environment_verdict import (
    EnvironmentObservation,
    EnvironmentStatus,
    EnvironmentVerdict,
    StageSeen,
    by_cell,
    judge_environment,
    signature,
)

_LONGEST_WORDS_CHARS = 2000


class Dependency(EnvironmentPart):
    """One dependency of the accelerator: as documented, as its package declares it, and the versions installed."""

    name: str
    documented: str = ""
    declared: str = ""
    resolved: tuple[str, ...] = ()


class TargetRow(EnvironmentPart):
    """One Python on one platform on which nothing was run. `wheel`: whether the accelerator has one for it."""

    platform: str
    python: str
    litellm: str
    runtime: str
    wheel: bool
    status: EnvironmentStatus
    words: str = ""


class IssueSeen(EnvironmentPart):
    """A known issue with where it was seen; `interval` is None where it was not. `signatures` are those of every stage
    that failed there."""

    id: str
    title: str
    workaround: str
    link: str
    interval: Interval | None = None
    signatures: tuple[str, ...]


class EnvironmentMatrix(EnvironmentPart):
    """The whole document; its schema is versioned apart from those of the other matrix. `environments` are in the order
    of the manifest, `new` names the troubled ones that no known issue explains."""

    schema_version: Literal["environment/1"]
    generated_at: AwareDatetime
    accelerator: str
    accelerator_version: str
    litellm_latest: str
    claude_code_version: str
    platform: str
    valid_days: float
    counts: dict[str, int]
    environments: tuple[EnvironmentRow, ...]
    targets: tuple[TargetRow, ...]
    wheels: tuple[str, ...]
    dependencies: tuple[Dependency, ...]
    claims: tuple[ClaimSeen, ...]
    known_issues: tuple[IssueSeen, ...]
    new: tuple[str, ...]


def build_environment_matrix(
    manifest: EnvironmentManifest,
    plan: EnvironmentPlan,
    observations: Sequence[EnvironmentObservation],
    issues: Sequence[KnownEnvironmentIssue],
    generated_at: datetime,
) -> EnvironmentMatrix:
    """The matrix of a plan, from everything that was observed on its platform; times in UTC."""
    platform, newest, targets, wheels = plan.platform, plan.newest, plan.targets, plan.wheels
    now = generated_at.astimezone(timezone.utc).replace(microsecond=0)
    seen, here = by_cell(observations), {target.cell: target for target in targets if target.platform == platform}
    rows = [_row(one, _twins(one, plan.planned), seen, here, manifest, now) for one in plan.planned]
    rows = [row.model_copy(update={"known_issue": issue_of(row, issues, now.date())}) for row in rows]
    latest = max(observations, key=lambda one: one.observed_at, default=None)
    return EnvironmentMatrix(
        schema_version="environment/1",
        generated_at=now,
        accelerator=ACCELERATOR,
        accelerator_version=newest[ACCELERATOR],
        litellm_latest=newest["litellm"],
        claude_code_version=latest.claude_code_version if latest else "",
        platform=platform,
        valid_days=manifest.valid_days,
        counts=_counts(rows),
        environments=tuple(rows),
        targets=tuple(_target_row(target, manifest, wheels) for target in targets if target.platform != platform),
        wheels=tuple(sorted(wheels)),
        dependencies=_dependencies(manifest, rows),
        claims=check_claims(manifest.claims, rows),
        known_issues=tuple(
            IssueSeen(
                id=issue.id,
                title=issue.title,
                workaround=issue.workaround,
                link=issue.link,
                interval=interval(issue, rows),
                signatures=signatures(issue, rows),
            )
            for issue in issues
        ),
        new=tuple(new_troubles(rows)),
    )


def dump_environment_matrix(matrix: EnvironmentMatrix) -> str:
    """The document's bytes: 2-space indent, readable non-ASCII, final newline; what does not apply is left out."""
    return matrix.model_dump_json(indent=2, exclude_none=True) + "\n"


def _counts(rows: Sequence[EnvironmentRow]) -> dict[str, int]:
    """How many environments are planned, and how many of each status."""
    excluded = sum(bool(row.excluded) for row in rows)
    by_status = Counter(row.status for row in rows if row.status)
    return {"planned": len(rows), "excluded": excluded, **{str(one): by_status[one] for one in sorted(by_status)}}


def _row(
    planned: Planned,
    also: tuple[str, ...],
    seen: Mapping[EnvironmentCell, Sequence[EnvironmentObservation]],
    here: Mapping[EnvironmentCell, TargetSeen],
    manifest: EnvironmentManifest,
    now: datetime,
) -> EnvironmentRow:
    means = planned.means
    row = EnvironmentRow(cell=planned.cell.key, also=also, **means._asdict(), excluded=planned.excluded)
    if planned.excluded:
        return row
    mine = seen.get(means, ())
    if not mine:
        return row.with_verdict(_never_run(planned, here.get(means)))
    verdict = judge_environment(mine, seen.get(means.stock, ()), now=now, valid_days=manifest.valid_days)
    told = next((one for one in reversed(mine) if one.conclusive), mine[-1])
    names = {canonicalize_name(_name(line)) for line in (*told.declared, *manifest.documented)}
    return row.with_verdict(verdict.model_copy(update={"words": verdict.words[:_LONGEST_WORDS_CHARS]})).model_copy(
        update={
            "python_version": told.python_version,
            "observed_at": told.observed_at.astimezone(timezone.utc),
            "duration_s": round(told.duration_s, 1),
            "stages": {one.stage: _ended(one) for one in told.stages},
            "report": told.report,
            "declared": told.declared,
            "resolved": {name: version for name, version in told.resolved.items() if name in names},
            "controls": {name: _control(told, name) for name in told.controls},
            "evidence": told.evidence,
            "lock": told.lock,
            "companions": told.companions,
        }
    )


def _twins(one: Planned, planned: Sequence[Planned]) -> tuple[str, ...]:
    """The names of the excluded ones that mean the same."""
    return tuple(other.cell.key for other in planned if other.excluded and other.means == one.means and other != one)


def _never_run(planned: Planned, target: TargetSeen | None) -> EnvironmentVerdict:
    """Of an environment without an observation: what a resolver said of it, or why it could not be run."""
    if planned.interpreter is not None:
        why = planned.interpreter.trouble or "it was never run here"
        return EnvironmentVerdict(status="inconclusive", words=why)
    if target is None:
        return EnvironmentVerdict(status="inconclusive", words=f"there is no Python {planned.cell.python} here")
    words = target.words[:_LONGEST_WORDS_CHARS]
    told = {"stage": "resolve", "signature": signature(words)} if target.outcome == "failed" else {}
    return EnvironmentVerdict.model_validate({"status": target.status, "words": words, **told})


def _ended(seen: StageSeen) -> str:
    """How a stage ended, in a few words."""
    return seen.outcome if seen.outcome == "passed" else f"{seen.outcome}: {signature(seen.words)}"


def _control(seen: EnvironmentObservation, name: str) -> Control:
    ended = seen.controls[name]
    return Control(red=ended.outcome == "failed", words=signature(ended.words) or "nothing was noticed")


def _target_row(target: TargetSeen, manifest: EnvironmentManifest, wheels: Sequence[str]) -> TargetRow:
    pattern = next(one.wheel for one in manifest.platforms if one.id == target.platform)
    made_for = wheel_pythons(wheels, pattern)
    wheel = target.cell.python in made_for or "3" in made_for
    return TargetRow(
        platform=target.platform,
        python=target.cell.python,
        litellm=target.cell.litellm,
        runtime=target.cell.runtime,
        wheel=wheel,
        status=target.status if wheel else "unsupported",
        words="" if target.outcome == "passed" else target.words[:_LONGEST_WORDS_CHARS],
    )


def _dependencies(manifest: EnvironmentManifest, rows: Sequence[EnvironmentRow]) -> tuple[Dependency, ...]:
    """Every dependency that is documented or declared without an extra, in alphabetical order."""
    lines = {line for row in rows for line in row.declared if "extra ==" not in line}
    declared = {canonicalize_name(_name(line)): _pin(line) for line in lines}
    names = sorted({*declared, *map(canonicalize_name, manifest.documented)})
    accelerated = [row for row in rows if row.means.accelerator]
    return tuple(
        Dependency(
            name=name,
            documented=manifest.documented.get(name, ""),
            declared=declared.get(name, ""),
            resolved=tuple(sorted({row.resolved[name] for row in accelerated if name in row.resolved})),
        )
        for name in names
    )


def _name(line: str) -> str:
    try:
        return Requirement(line).name
    except InvalidRequirement:
        return line


def _pin(line: str) -> str:
    try:
        return str(Requirement(line).specifier) or "any"
    except InvalidRequirement:
        return line
