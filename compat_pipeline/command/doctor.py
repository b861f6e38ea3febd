"""`compat doctor`: what is configured, what is missing, and what would be spent."""

from __future__ import annotations

import os
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from compat_pipeline.command.checks import Level, findings
from compat_pipeline.command.output import Output, printable
from compat_pipeline.command.settings import settings

_STYLE: dict[Level, tuple[str, str]] = {"ok": ("✓", "green"), "note": ("!", "yellow"), "problem": ("✗", "red")}


def examine(output: Output) -> bool:
    """Whether nothing found is a problem."""
    held, found = settings(os.environ), findings(os.environ)
    width = max(len(setting.name) for setting in held)

    def tell(console: Console) -> None:
        for setting in held:
            source = "" if setting.source == "environment" else " [dim](default)[/]"
            console.print(f"{setting.name:<{width}}  {escape(printable(setting.value))}{source}", soft_wrap=True)
        console.print()
        for one in found:
            icon, style = _STYLE[one.level]
            console.print(f"[{style}]{icon}[/] {one.about:<16}{escape(printable(one.told))}", soft_wrap=True)
            if one.next_step:
                console.print(f"  {'next:':>15} {escape(printable(one.next_step))}", soft_wrap=True)

    listed = {"settings": [asdict(one) for one in held], "findings": [asdict(one) for one in found]}
    output.result({"schema_version": "doctor/1", **listed}, tell)
    return all(one.level != "problem" for one in found)
