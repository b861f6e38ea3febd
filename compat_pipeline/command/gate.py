"""`compat gate`: run the job `pr_gate` in this process, show what it found, and say so by the exit code."""

from __future__ import annotations

import time

from rich.markup import escape

from compat_pipeline.command.run import executed
from compat_pipeline.command.show import make_console
from compat_pipeline.domain.gate import GateOutcome, GateReport
from compat_pipeline.domain.gate_report import reproduce
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome

_STYLE = {"regression": ("✗", "red"), "known_red": ("✗", "yellow"), "unjudged": ("?", "yellow")}


def run_gate(home: CompatHome, litellm: str, claude_code: str, patterns: list[str], baseline: str) -> GateOutcome:
    """What the gate found. Raises WrongUsage, and CompatError when there is not even a report."""
    console, started = make_console(), time.monotonic()
    choice = {"litellm": litellm, "claude_code": claude_code, "cells": patterns, "baseline": baseline}
    home.gate_results.unlink(missing_ok=True)
    try:
        with executed("pr_gate", {"ops": {"judge_pull_request": {"config": choice}}}, home, console):
            pass
    except CompatError:
        if not home.gate_results.exists():
            raise
    report = GateReport.model_validate_json(home.gate_results.read_bytes())
    console.print()
    for cell in report.of("regression", "known_red", "unjudged"):
        icon, style = _STYLE[cell.status]
        known = "  (red in the baseline, too)" if cell.status == "known_red" else ""
        console.print(
            f"[{style}]{icon} {escape(cell.key)}: {escape(' '.join(cell.told.split()))}[/]{known}", soft_wrap=True
        )
        console.print(f"    again: {escape(reproduce(report, cell))}", soft_wrap=True)
    console.print(f"{escape(report.headline)}\nreports    {home.gate}", soft_wrap=True)
    console.print(f"[dim]{time.monotonic() - started:.0f} s in all[/]")
    return report.outcome
