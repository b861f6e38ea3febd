"""`compat gate`: run the job `pr_gate` in this process, show what it found, and say so by the exit code."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape

from compat_pipeline.command.output import Output, printable
from compat_pipeline.command.run import executed
from compat_pipeline.domain.gate import GateOutcome, GateReport, GateStatus
from compat_pipeline.domain.gate_report import BEFORE
from compat_pipeline.domain.reproduce import again
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome

_STYLE: dict[GateStatus, tuple[str, str]] = {
    "regression": ("✗", "red"),
    "known_red": ("✗", "yellow"),
    "new_red": ("✗", "yellow"),
    "unjudged": ("?", "yellow"),
}


def run_gate(home: CompatHome, choice: Mapping[str, object], output: Output) -> GateOutcome:
    """What the gate of this `choice` (see `GateChoice`) found.

    Raises WrongUsage, and CompatError when there is not even a report.
    """
    started = time.monotonic()
    home.gate_results.unlink(missing_ok=True)
    try:
        with executed("pr_gate", {"ops": {"judge_pull_request": {"config": choice}}}, home, output):
            pass
    except CompatError:
        if not home.gate_results.exists():
            raise
    report = GateReport.model_validate_json(home.gate_results.read_bytes())

    def tell(console: Console) -> None:
        console.print()
        for cell in report.of(*_STYLE):
            icon, style = _STYLE[cell.status]
            told = f"[{style}]{icon} {escape(cell.key)}: {escape(printable(cell.told))}[/]"
            console.print(told + (f"  ({BEFORE[cell.status]})" if cell.status in BEFORE else ""), soft_wrap=True)
            again_here = again(
                cell.key,
                litellm=report.litellm,
                claude_code=report.claude_code,
                upstream=report.upstream,
                baseline=report.baseline or "",
            )
            console.print(f"    again: {escape(again_here)}", soft_wrap=True)
        console.print(f"{escape(report.headline)}\nreports    {home.gate}", soft_wrap=True)
        console.print(f"[dim]{time.monotonic() - started:.0f} s in all[/]")

    output.result(report.model_dump_json(indent=2), tell)
    return report.outcome
