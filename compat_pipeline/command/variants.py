"""`compat variants`: run the job `compare_variants` in this process and show what differs."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape

from compat_pipeline.command.output import Output
from compat_pipeline.command.run import executed, refuse_unknown_cells
from compat_pipeline.domain.variants import Comparison, comparison_text, dump_comparison
from compat_pipeline.ground.home import CompatHome


def compare_cells(patterns: list[str], variants: list[str], litellm: str, claude_code: str, output: Output) -> bool:
    """Whether there were cells, all judged under every configuration."""
    refuse_unknown_cells(patterns)
    home, started = CompatHome.from_env(), time.monotonic()
    choice = {"cells": patterns, "variants": variants, "litellm": litellm, "claude_code": claude_code}
    with executed("compare_variants", {"ops": {"compare_chosen_cells": {"config": choice}}}, home, output):
        comparison = Comparison.model_validate_json(home.variants.read_bytes())

    def tell(console: Console) -> None:
        console.print()
        console.print(escape(comparison_text(comparison)), soft_wrap=True, end="")
        console.print(f"[dim]comparison {home.variants}; {time.monotonic() - started:.0f} s in all[/]", soft_wrap=True)

    output.result(dump_comparison(comparison), tell)
    return comparison.cells > 0 and not comparison.unjudged
