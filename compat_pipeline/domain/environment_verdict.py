"""What one run of one environment saw, stage by stage, and what may be said of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, get_args

from pydantic import AwareDatetime, Field

from compat_pipeline.domain.environment_cell import EnvironmentCell, EnvironmentPart

Stage = Literal[
    "resolve", "install", "import", "self_report", "patch_truth", "router", "proxy_boot", "messages", "stream",
    "claude_cli", "parity",
]  # fmt: skip
"""The ladder. The first stage that is not sound names the verdict, but for `self_report`, which never decides."""

STAGES: tuple[Stage, ...] = get_args(Stage)

EnvironmentStatus = Literal[
    "verified", "degraded", "broken", "unsatisfiable", "unsupported", "targeted", "stale", "inconclusive"
]

_NEVER_DECIDES: frozenset[Stage] = frozenset({"self_report"})
_SIGNATURE_CHARS = 200
_PASSING: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b0x[0-9a-f]+\b|\b[0-9a-f]{16,}\b"), "…"),
    (re.compile(r"\b(nonce|req|msg|chatcmpl)[-_][\w-]+"), r"\1_…"),
    (re.compile(r"(/[\w.+-]+)+/([\w.+-]+)"), r"\2"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1"),
)
"""What is new in every run."""
_FAULT = re.compile(r"^\s*(?:[\w.]+\.)?\w*(?:Error|Exception|Warning)\b.*", re.MULTILINE)
_REASON = re.compile(r"\bBecause .*")
_NO_WHEEL = re.compile(r"Because (?P<package>[\w.-]+?)(?:==\S+)? has no (?:usable )?wheels?\b")


class StageSeen(EnvironmentPart):
    """How one stage ended. `unclear`: this machine, the network or our own code kept it from being judged.

    `words` are what was said: the fault itself, the resolver's proof, or what a passed stage is worth telling.
    """

    stage: Stage
    outcome: Literal["passed", "failed", "unclear"]
    words: str = ""
    duration_s: float = 0.0


class SelfReport(EnvironmentPart):
    """What the accelerator says of itself, and which patches it really made.

    `healthy` is `health_check()`, `claimed` the components that `get_patch_status()` tells; `applied` are the patched
    names with their feature flags, `missing` the names that it looked for and did not find.
    """

    healthy: bool
    claimed: tuple[str, ...]
    applied: dict[str, str]
    missing: tuple[str, ...]


class EnvironmentObservation(EnvironmentPart):
    """What one run of one environment saw. Stages that were not reached are not there.

    `counts`: what was counted -> tokens. `declared` are the accelerator's own requirements, `resolved` the installed
    versions. `controls`: the name of a negative control -> how the stage ended that it must turn red. `evidence` is the
    digest of what the suite kept of the Claude Code call, `lock` that of the installed packages; `companions` were
    installed because LiteLLM's own metadata forgets them.
    """

    cell: EnvironmentCell
    python_version: str
    platform: str
    claude_code_version: str = ""
    observed_at: AwareDatetime
    duration_s: float = 0.0
    stages: tuple[StageSeen, ...] = ()
    counts: dict[str, int] = Field(default={})
    report: SelfReport | None = None
    declared: tuple[str, ...] = ()
    resolved: dict[str, str] = Field(default={})
    controls: dict[str, StageSeen] = Field(default={})
    evidence: str | None = None
    lock: str = ""
    companions: tuple[str, ...] = ()

    def ended(self, seen: StageSeen) -> EnvironmentObservation:
        """With one more stage."""
        return self.model_copy(update={"stages": (*self.stages, seen)})

    @property
    def first_unsound(self) -> StageSeen | None:
        """The stage that names the verdict; None where all stages that were reached are sound."""
        by_stage = {seen.stage: seen for seen in self.stages if seen.stage not in _NEVER_DECIDES}
        return next((by_stage[one] for one in STAGES if one in by_stage and by_stage[one].outcome != "passed"), None)

    @property
    def conclusive(self) -> bool:
        """Whether it says something of the products: a fault of theirs, or that every stage was passed."""
        unsound = self.first_unsound
        return unsound.outcome == "failed" if unsound else "claude_cli" in {seen.stage for seen in self.stages}


class Parity(EnvironmentPart):
    """One count that is not the same with and without the accelerator."""

    what: str
    stock: int
    accelerated: int


class EnvironmentVerdict(EnvironmentPart):
    """What may be said of one environment. `was`: what a stale one was said to be. `open`: why the latest run could not
    be judged, where an older one decides. `signature` is the fault without what is new in each run."""

    status: EnvironmentStatus
    was: EnvironmentStatus | None = None
    stage: Stage | None = None
    signature: str = ""
    words: str = ""
    findings: tuple[str, ...] = ()
    parity: tuple[Parity, ...] = ()
    open: str = ""


def judge_environment(
    seen: Sequence[EnvironmentObservation],
    stock: Sequence[EnvironmentObservation],
    *,
    now: datetime,
    valid_days: float,
) -> EnvironmentVerdict:
    """The verdict of one environment from its observations, oldest first; `stock` are those of the same environment
    without the accelerator (its own, if it has none).

    The latest conclusive observation decides; one older than `valid_days` makes the environment `stale`. With none, it
    is `inconclusive` and says what the latest run met.
    """
    if not seen:
        return EnvironmentVerdict(status="inconclusive", words="it was never run here")
    decisive = [one for one in seen if one.conclusive]
    if not decisive:
        unsound = seen[-1].first_unsound
        words = unsound.words if unsound else "it ended before its last stage"
        return EnvironmentVerdict(status="inconclusive", stage=unsound.stage if unsound else None, words=words)
    latest = decisive[-1]
    verdict = _verdict(latest, [one for one in stock if one.conclusive])
    if seen[-1] is not latest and (unsound := seen[-1].first_unsound):
        verdict = verdict.model_copy(update={"open": f"{unsound.stage}: {unsound.words}"})
    if now - latest.observed_at > timedelta(days=valid_days):
        return verdict.model_copy(update={"status": "stale", "was": verdict.status})
    return verdict


def _verdict(seen: EnvironmentObservation, stock: Sequence[EnvironmentObservation]) -> EnvironmentVerdict:
    if unsound := seen.first_unsound:
        status = of_resolver(unsound.words, seen.cell) if unsound.stage == "resolve" else "broken"
        return EnvironmentVerdict(
            status=status,
            stage=unsound.stage,
            signature=signature(unsound.words),
            words=unsound.words,
            findings=findings(seen),
        )
    if seen.cell.accelerator is None:
        return EnvironmentVerdict(status="verified", findings=findings(seen))
    if not stock or stock[-1].first_unsound:
        why = "stock does not work" if stock else "stock was never run"
        return EnvironmentVerdict(
            status="inconclusive", stage="parity", words=f"there is nothing to compare with: {why} in this environment"
        )
    differences = compare_counts(stock[-1].counts, seen.counts)
    return EnvironmentVerdict(
        status="degraded" if differences else "verified",
        stage="parity" if differences else None,
        words="; ".join(f"{one.what}: {one.stock} tokens, {one.accelerated} accelerated" for one in differences),
        findings=findings(seen),
        parity=differences,
    )


def of_resolver(words: str, cell: EnvironmentCell) -> EnvironmentStatus:
    """What a resolver's proof that there is no solution makes of an environment."""
    no_wheel = _NO_WHEEL.search(words)
    package = (cell.accelerator or "").partition("==")[0]
    return "unsupported" if no_wheel and no_wheel["package"] == package else "unsatisfiable"


def compare_counts(stock: Mapping[str, int], accelerated: Mapping[str, int]) -> tuple[Parity, ...]:
    """The counts that differ, of those that both have, in the order of `stock`."""
    return tuple(
        Parity(what=what, stock=count, accelerated=accelerated[what])
        for what, count in stock.items()
        if what in accelerated and accelerated[what] != count
    )


def findings(seen: EnvironmentObservation) -> tuple[str, ...]:
    """Where what the accelerator says of itself is not what was seen; it decides nothing."""
    report, told = seen.report, []
    if report is None:
        return ()
    unsound = seen.first_unsound
    if report.healthy and unsound and unsound.outcome == "failed":
        told.append(f"health_check() says that all is well, yet stage {unsound.stage} fails")
    flags = set(report.applied.values())
    if unpatched := [name for name in report.claimed if not any(name in flag for flag in flags)]:
        told.append(f"get_patch_status() tells of {', '.join(unpatched)}, which nothing was patched for")
    if report.missing:
        total = len(report.applied) + len(report.missing)
        told.append(f"{len(report.applied)} of {total} patches apply; not found: {', '.join(report.missing)}")
    return tuple(told)


def signature(words: str) -> str:
    """What `words` tell of, in one line and without what is new in each run: the resolver's first reason, or the last
    error."""
    reasons, faults = _REASON.findall(words), _FAULT.findall(words)
    line = next(iter((*reasons, *reversed(faults), *words.strip().splitlines())), "")
    for pattern, instead in _PASSING:
        line = pattern.sub(instead, line)
    return " ".join(line.split())[:_SIGNATURE_CHARS]


def by_cell(seen: Iterable[EnvironmentObservation]) -> dict[EnvironmentCell, list[EnvironmentObservation]]:
    """Observations by what was observed, each oldest first."""
    found: dict[EnvironmentCell, list[EnvironmentObservation]] = {}
    for one in sorted(seen, key=lambda one: one.observed_at):
        found.setdefault(one.cell, []).append(one)
    return found
