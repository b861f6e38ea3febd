"""The details document beside the matrix: one entry per cell and model, with what the locked one has no room for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.observation import Cause
from compat_pipeline.domain.verdict import NEVER_OBSERVED, Status, UpstreamMode, Verdict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CellDetails(_Part):
    """The verdict of one cell. `error` tells why it failed or could not be judged, `reason` why it does not apply.

    `open` tells why the latest observation could not be judged; an older verdict then still stands.
    """

    feature: str
    provider: str
    model: str
    status: Status
    cause: Cause | None = None
    error: str | None = None
    reason: str | None = None
    open: str | None = None
    attempts: int
    flaky: bool
    observed_at: AwareDatetime | None = None
    duration_s: float
    input_tokens: int
    output_tokens: int


class Counts(_Part):
    """Cells: planned by the manifest, observed at least once, and left open by the latest observation."""

    planned: int
    observed: int
    inconclusive: int


class CompatibilityDetails(_Part):
    """The whole document; its schema is versioned apart from that of the matrix."""

    schema_version: Literal["details/1"]
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
) -> CompatibilityDetails:
    """The details of one version pair, cells in manifest order; times in UTC, `generated_at` to the second."""
    by_cell = {cell: verdicts.get(cell, NEVER_OBSERVED) for cell in manifest.cells}
    seen = [verdict for verdict in by_cell.values() if verdict.times_observed]
    return CompatibilityDetails(
        schema_version="details/1",
        generated_at=generated_at.astimezone(timezone.utc).replace(microsecond=0),
        upstream=upstream,
        litellm_version=litellm_version,
        claude_code_version=claude_code_version,
        suite_revision=suite_revision,
        counts=Counts(
            planned=len(by_cell),
            observed=len(seen),
            inconclusive=sum(verdict.open is not None for verdict in seen),
        ),
        cells=tuple(_cell_details(cell, verdict) for cell, verdict in by_cell.items()),
    )


def _cell_details(cell: Cell, verdict: Verdict) -> CellDetails:
    told = verdict.explanation or None
    return CellDetails(
        **cell._asdict(),
        status=verdict.status,
        cause=verdict.cause,
        error=None if verdict.status == "not_applicable" else told,
        reason=told if verdict.status == "not_applicable" else None,
        open=verdict.open,
        attempts=verdict.attempts,
        flaky=verdict.flaky,
        observed_at=verdict.observed_at and verdict.observed_at.astimezone(timezone.utc),
        duration_s=round(verdict.duration_s, 3),
        input_tokens=verdict.input_tokens,
        output_tokens=verdict.output_tokens,
    )


def dump_details(details: CompatibilityDetails) -> str:
    """The document's bytes: 2-space indent, readable non-ASCII, final newline; what does not apply is left out."""
    return details.model_dump_json(indent=2, exclude_none=True) + "\n"
