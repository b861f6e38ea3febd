"""The details document beside the matrix: one entry per cell and model, with what the locked one has no room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from compat_pipeline.domain.acknowledged import Acknowledgement, known_issue_of
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.diff import Place
from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.observation import Cause, Consumption
from compat_pipeline.domain.verdict import NEVER_OBSERVED, Status, UpstreamMode, Verdict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KnownIssue(_Part):
    """That a red cell is known: who follows it up, where, and the last day on which that counts."""

    owner: str
    issue: str
    expires: date
    reason: str


class CellDetails(_Part):
    """The verdict of one cell. `error` tells why it failed or could not be judged, `reason` why it does not apply.

    `open` tells why the latest observation could not be judged; an older verdict then still stands, and its age is
    the document's `generated_at` less `observed_at`. `evidence` and `open_evidence` are the digests of what was
    recorded for the verdict and for the open observation. `last_proven_red` is when the cell's test last noticed a
    deliberate fault; `withheld` why the published matrix keeps what it had for this feature and provider. The tokens
    are those that the upstreams counted for the verdict's observation; without `upstream_calls` they are not known.
    """

    feature: str
    provider: str
    model: str
    status: Status
    cause: Cause | None = None
    error: str | None = None
    reason: str | None = None
    findings: tuple[str, ...] = ()
    evidence: str | None = None
    open: str | None = None
    open_evidence: str | None = None
    known_issue: KnownIssue | None = None
    last_proven_red: AwareDatetime | None = None
    withheld: str | None = None
    attempts: int
    flaky: bool
    observed_at: AwareDatetime | None = None
    duration_s: float
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    upstream_calls: int | None = None
    estimated_cost_usd: float | None = None

    @property
    def consumption(self) -> Consumption | None:
        """What the verdict's observation took; None where that is not known."""
        if self.upstream_calls is None:
            return None
        return Consumption(
            calls=self.upstream_calls,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cache_read_tokens or 0,
            cache_write_tokens=self.cache_write_tokens or 0,
            cost_usd=self.estimated_cost_usd,
        )


class Counts(_Part):
    """Cells: planned by the manifest, observed at least once, and left open by the latest observation."""

    planned: int
    observed: int
    inconclusive: int


class CompatibilityDetails(_Part):
    """The whole document; its schema is versioned apart from that of the matrix."""

    schema_version: Literal["details/2"]
    generated_at: AwareDatetime
    upstream: UpstreamMode
    litellm_version: str = Field(min_length=1)
    claude_code_version: str = Field(min_length=1)
    suite_revision: str
    counts: Counts
    cells: tuple[CellDetails, ...]


def build_details(
    manifest: Manifest,
    verdicts: Mapping[Cell, Verdict],
    *,
    upstream: UpstreamMode,
    litellm_version: str,
    claude_code_version: str,
    suite_revision: str,
    generated_at: datetime,
    acknowledged: Sequence[Acknowledgement],
    last_proven: Mapping[Cell, datetime],
    withheld: Mapping[Place, str],
) -> CompatibilityDetails:
    """The details of one version pair, cells in manifest order; times in UTC, `generated_at` to the second.

    A cell that fails carries the acknowledgement that claims it and has not expired on the day of `generated_at`.
    """
    now = generated_at.astimezone(timezone.utc).replace(microsecond=0)
    by_cell = {cell: verdicts.get(cell, NEVER_OBSERVED) for cell in manifest.cells}
    seen = [verdict for verdict in by_cell.values() if verdict.times_observed]
    return CompatibilityDetails(
        schema_version="details/2",
        generated_at=now,
        upstream=upstream,
        litellm_version=litellm_version,
        claude_code_version=claude_code_version,
        suite_revision=suite_revision,
        counts=Counts(
            planned=len(by_cell),
            observed=len(seen),
            inconclusive=sum(verdict.open is not None for verdict in seen),
        ),
        cells=tuple(
            _cell_details(
                cell,
                verdict,
                known_issue=_known_issue(cell, verdict, acknowledged, now.date()),
                last_proven_red=_in_utc(last_proven.get(cell)),
                withheld=withheld.get((cell.feature, cell.provider)),
            )
            for cell, verdict in by_cell.items()
        ),
    )


def _known_issue(
    cell: Cell, verdict: Verdict, acknowledged: Sequence[Acknowledgement], today: date
) -> KnownIssue | None:
    entry = known_issue_of(cell, acknowledged, today) if verdict.status == "fail" else None
    return None if entry is None else KnownIssue(**entry.model_dump(exclude={"cell"}))


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(timezone.utc)


def _cell_details(
    cell: Cell,
    verdict: Verdict,
    *,
    known_issue: KnownIssue | None,
    last_proven_red: datetime | None,
    withheld: str | None,
) -> CellDetails:
    told = verdict.explanation or None
    return CellDetails(
        **cell._asdict(),
        status=verdict.status,
        cause=verdict.cause,
        error=None if verdict.status == "not_applicable" else told,
        reason=told if verdict.status == "not_applicable" else None,
        findings=verdict.findings,
        evidence=verdict.evidence,
        open=verdict.open,
        open_evidence=verdict.open_evidence,
        known_issue=known_issue,
        last_proven_red=last_proven_red,
        withheld=withheld,
        attempts=verdict.attempts,
        flaky=verdict.flaky,
        observed_at=_in_utc(verdict.observed_at),
        duration_s=round(verdict.duration_s, 3),
        **_consumption(verdict.consumption),
    )


def _consumption(taken: Consumption | None) -> dict[str, Any]:
    if taken is None:
        return {}
    counts = taken.model_dump(exclude={"calls", "cost_usd"})
    return counts | {"upstream_calls": taken.calls, "estimated_cost_usd": taken.cost_usd}


def dump_details(details: CompatibilityDetails) -> str:
    """The document's bytes: 2-space indent, readable non-ASCII, final newline; what does not apply is left out."""
    return details.model_dump_json(indent=2, exclude_none=True) + "\n"
