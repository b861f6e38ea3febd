"""`compat environment` and `compat bisect`: run their jobs in this process and show what they found."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from compat_pipeline.assets.environment import written_environment_matrix
from compat_pipeline.command.output import Output
from compat_pipeline.command.run import executed
from compat_pipeline.domain.bisect import Boundary
from compat_pipeline.domain.environment_matrix import dump_environment_matrix
from compat_pipeline.domain.environment_report import WORDS
from compat_pipeline.ground.home import CompatHome

_NOTE_CHARS = 100


def run_environments(patterns: list[str], output: Output) -> bool:
    """Whether there were environments to run, and all of them were judged in this run, whatever was known before."""
    home, started = CompatHome.from_env(), time.monotonic()
    config = {"ops": {"run_chosen_environments": {"config": {"cells": patterns}}}}
    with executed("run_environments", config, home, output) as result:
        matrix = written_environment_matrix(home)
        ran = {
            str(event.partition)
            for event in result.get_asset_materialization_events()
            if event.partition and "outcome" in event.materialization.metadata
        }

    def tell(console: Console) -> None:
        table = Table("environment", "status", "why", box=None, padding=(0, 2, 0, 0))
        for row in matrix.environments:
            if row.cell in ran and row.status:
                why = f"{row.stage}: {row.signature or row.words}" if row.stage else ""
                why = f"this time it could not be judged: {row.open}" if row.open else why
                table.add_row(escape(row.cell), WORDS[row.status], escape(why[:_NOTE_CHARS]))
        console.print()
        console.print(table)
        for cell in matrix.new:
            console.print(f"[yellow]no known issue explains {escape(cell)}[/]")
        console.print(
            f"[dim]report {home.compatibility_report}; {time.monotonic() - started:.0f} s in all[/]", soft_wrap=True
        )

    output.result(dump_environment_matrix(matrix), tell)
    return bool(ran) and not any(
        row.cell in ran and (row.open or row.status == "inconclusive") for row in matrix.environments
    )


def bisect_versions(choice: dict[str, str], output: Output) -> None:
    """Show the first bad version; CompatError where there is none between the ends."""
    home, started = CompatHome.from_env(), time.monotonic()
    config = {"ops": {"bisect_chosen_versions": {"config": choice}}}
    with executed("bisect_environment", config, home, output):
        found = Boundary.model_validate_json(home.boundary.read_bytes())

    def tell(console: Console) -> None:
        console.print(f"\nfirst bad  LiteLLM {found.first_bad}: {found.signature}", markup=False, soft_wrap=True)
        console.print(f"last good  LiteLLM {found.last_good}", markup=False)
        if found.unknown:
            console.print(f"not judged {', '.join(found.unknown)}", markup=False)
        console.print(f"[dim]{found.probes} version(s) run; {time.monotonic() - started:.0f} s in all[/]")

    output.result(found.model_dump(mode="json"), tell)
