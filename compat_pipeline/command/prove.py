"""`compat prove`: run the job `prove_controls` in this process and show its kill table."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape

from compat_pipeline.command.output import Output
from compat_pipeline.command.run import executed, refuse_unknown_cells
from compat_pipeline.domain.controls import KillTable, dump_kill_table, kill_table_text
from compat_pipeline.ground.home import CompatHome


def prove_cells(
    patterns: list[str], faults: list[str], in_turn: bool, litellm: str, claude_code: str, output: Output
) -> bool:
    """Whether every fault that has a row among the cells turned exactly the right ones red."""
    refuse_unknown_cells(patterns)
    home, started = CompatHome.from_env(), time.monotonic()
    versions = {"litellm": litellm, "claude_code": claude_code}
    choice = {"cells": patterns, "faults": faults, "in_turn": in_turn, **versions}
    with executed("prove_controls", {"ops": {"prove_chosen_cells": {"config": choice}}}, home, output):
        table = KillTable.model_validate_json(home.mutants.read_bytes())

    def tell(console: Console) -> None:
        console.print()
        console.print(escape(kill_table_text(table)), soft_wrap=True, end="")
        console.print(f"[dim]kill table {home.mutants}; {time.monotonic() - started:.0f} s in all[/]", soft_wrap=True)

    output.result(dump_kill_table(table), tell)
    return table.proven
