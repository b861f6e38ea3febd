"""`compat variants`: run the job `compare_variants` in this process and show what differs."""

from __future__ import annotations

import time

import click
from rich.console import Console
from rich.markup import escape

from compat_pipeline.command.run import executed, refuse_unknown_cells
from compat_pipeline.command.show import make_console
from compat_pipeline.domain.variants import Comparison, comparison_text, dump_comparison
from compat_pipeline.ground.home import CompatHome


def compare_cells(patterns: list[str], variants: list[str], litellm: str, claude_code: str, *, as_json: bool) -> bool:
    """Whether there were cells, all judged under every configuration. JSON leaves standard output to itself."""
    refuse_unknown_cells(patterns)
    home, console, started = CompatHome.from_env(), make_console(), time.monotonic()
    if as_json:
        console = Console(highlight=False, stderr=True)
    choice = {"cells": patterns, "variants": variants, "litellm": litellm, "claude_code": claude_code}
    with executed("compare_variants", {"ops": {"compare_chosen_cells": {"config": choice}}}, home, console):
        comparison = Comparison.model_validate_json(home.variants.read_bytes())
    if as_json:
        click.echo(dump_comparison(comparison), nl=False)
    else:
        console.print()
        console.print(escape(comparison_text(comparison)), soft_wrap=True, end="")
        console.print(f"[dim]comparison {home.variants}; {time.monotonic() - started:.0f} s in all[/]", soft_wrap=True)
    return comparison.cells > 0 and not comparison.unjudged
