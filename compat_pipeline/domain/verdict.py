"""The verdict: what may be said of one cell, derived from its observations under one version pair and upstream mode."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from compat_pipeline.domain.observation import Cause, Consumption, Observation

UpstreamMode = Literal["emulated", "live"]
"""Where the observations come from; the two never mix in one matrix."""

Status = Literal["pass", "fail", "not_applicable", "unjudged"]


class Verdict(BaseModel):
    """What may be said of one cell; but for `open*`, `flaky` and `times_observed`, it is the deciding observation's.

    `explanation` is the error of a fail or unjudged cell and the reason of a not applicable one, empty otherwise.
    An `unjudged` cell carries the latest inconclusive observation, or nothing when there never was one. `open` says
    why the latest observation could not be judged, whatever older ones say, with its cause and evidence; None when it
    could. The deciding one keeps its time then: how old it is, is the age of the verdict. `evidence` is a digest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Status
    cause: Cause | None = None
    explanation: str = ""
    findings: tuple[str, ...] = ()
    evidence: str | None = None
    attempts: int = 0
    open: str | None = None
    open_cause: Cause | None = None
    open_evidence: str | None = None
    flaky: bool = False
    times_observed: int = 0
    observed_at: AwareDatetime | None = None
    duration_s: float = 0.0
    consumption: Consumption | None = None


NEVER_OBSERVED = Verdict(status="unjudged")


def judge(observations: Iterable[Observation]) -> Verdict:
    """The verdict of one cell from its observations under the same versions and upstream mode, in any order.

    The latest conclusive observation (pass, fail, not applicable) decides; an inconclusive one never changes that.
    With none, the cell is `unjudged` and says what the latest attempt met. A cell that both passed and failed is
    `flaky`. Of two observations of the same instant the later in the sequence counts.
    """
    by_time = sorted(observations, key=lambda observation: observation.observed_at)
    if not by_time:
        return NEVER_OBSERVED
    conclusive = [seen for seen in by_time if seen.outcome.status != "inconclusive"]
    deciding, latest = (conclusive or by_time)[-1], by_time[-1]
    is_open = latest.outcome.status == "inconclusive"
    return Verdict(
        status="unjudged" if deciding.outcome.status == "inconclusive" else deciding.outcome.status,
        cause=deciding.cause,
        explanation=deciding.explanation,
        findings=deciding.findings,
        evidence=deciding.evidence,
        attempts=deciding.attempts,
        open=f"{latest.cause}: {latest.explanation}" if is_open else None,
        open_cause=latest.cause if is_open else None,
        open_evidence=latest.evidence if is_open else None,
        flaky={"pass", "fail"} <= {seen.outcome.status for seen in conclusive},
        times_observed=len(by_time),
        observed_at=deciding.observed_at,
        duration_s=deciding.duration_s,
        consumption=deciding.consumption,
    )
