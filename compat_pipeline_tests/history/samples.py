"""Hand-made observations and control results, and a short way to read a history."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.controls import ControlResult
from compat_pipeline.domain.observation import Consumption, Observation, Outcome, Pass
from compat_pipeline.history.store import History, RunContext

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
CELL = Cell("tool_use", "bedrock_converse", "claude-haiku-4-5")
RUN = RunContext(
    litellm_version="v1.83.0-stable",
    claude_code_version="2.1.120",
    suite_revision="4f2a91c",
    upstream="emulated",
    run_id="run-1",
)


TAKEN = Consumption(calls=2, input_tokens=100, output_tokens=7, cost_usd=0.25)


def observation(
    minute: int = 0,
    outcome: Outcome | None = None,
    feature: str = "tool_use",
    consumption: Consumption | None = TAKEN,
) -> Observation:
    return Observation(
        feature=feature,
        provider=CELL.provider,
        model=CELL.model,
        outcome=outcome or Pass(),
        attempts=2,
        duration_s=1.25,
        consumption=consumption,
        observed_at=NOON + timedelta(minutes=minute),
        evidence="a" * 64,
        findings=("日本",),
    )


def control(
    minute: int = 0, *, killed: bool = True, cell: Cell = CELL, fault: str = "tool_input_lost"
) -> ControlResult:
    proven_at = NOON + timedelta(minutes=minute)
    return ControlResult(cell=cell, fault=fault, killed=killed, explanation="the input is empty", proven_at=proven_at)


def seen(history: History, run: RunContext = RUN) -> list[Observation]:
    return history.observations(
        run.litellm_version, run.claude_code_version, run.upstream, run.suite_revision, run.variant
    )
