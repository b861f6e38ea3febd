"""A small manifest and hand-made observations for the tests of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.manifest import Manifest, parse_manifest
from compat_pipeline.domain.matrix import CompatibilityMatrix, build_matrix
from compat_pipeline.domain.observation import (
    Consumption,
    Fail,
    Inconclusive,
    NotApplicable,
    Observation,
    Outcome,
    Pass,
)
from compat_pipeline.domain.verdict import Verdict, judge

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)

PASS = Pass()
FAIL = Fail(error="the tool input arrived empty")
NOT_APPLICABLE = NotApplicable(reason="Azure has no tools")
OVERLOADED = Inconclusive(cause="provider", error="529 Overloaded")

MANIFEST: Manifest = parse_manifest(
    """
features:
  - {id: tool_use, name: Tool use}
  - {id: vision, name: Vision}
providers:
  - {id: anthropic, name: Anthropic, routes: {claude-haiku-4-5: a/haiku, claude-opus-4-7: a/opus}}
  - {id: azure, name: Azure, routes: {claude-haiku-4-5: z/haiku, claude-opus-4-7: z/opus}}
models:
  - {id: claude-haiku-4-5, name: Claude Haiku 4.5}
  - {id: claude-opus-4-7, name: Claude Opus 4.7}
"""
)


def observe(outcome: Outcome, minute: int = 0, cell: Cell = MANIFEST.cells[0], attempts: int = 1) -> Observation:
    """One observation of `cell`, `minute` minutes after noon."""
    return Observation(
        feature=cell.feature,
        provider=cell.provider,
        model=cell.model,
        outcome=outcome,
        attempts=attempts,
        duration_s=1.5,
        consumption=Consumption(calls=2, input_tokens=120, output_tokens=8, cache_read_tokens=900, cost_usd=0.0125),
        observed_at=NOON + timedelta(minutes=minute),
    )


def verdict_of(outcome: Outcome) -> Verdict:
    return judge([observe(outcome)])


def everything(outcome: Outcome = PASS) -> dict[Cell, Verdict]:
    """A verdict for each planned cell, all alike."""
    return {cell: verdict_of(outcome) for cell in MANIFEST.cells}


def matrix_of(verdicts: dict[Cell, Verdict], litellm_version: str = "v1.83.0-stable") -> CompatibilityMatrix:
    return build_matrix(
        MANIFEST, verdicts, litellm_version=litellm_version, claude_code_version="2.1.120", generated_at=NOON
    )


def with_cells(changed: Mapping[str, Outcome], base: Outcome = PASS) -> dict[Cell, Verdict]:
    """All cells like `base`, those of the given `feature/provider` (all models) changed."""
    return {cell: verdict_of(changed.get(f"{cell.feature}/{cell.provider}", base)) for cell in MANIFEST.cells}
