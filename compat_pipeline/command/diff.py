"""`compat diff`: what changed from one published matrix to another."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from compat_pipeline.command.output import Output, printable
from compat_pipeline.command.show import Page, page_at
from compat_pipeline.domain.diff import Change, ChangeKind, by_kind, changes
from compat_pipeline.domain.matrix import Failing

_STYLE: dict[ChangeKind, tuple[str, str]] = {
    "broken": ("✗", "red"),
    "fixed": ("✓", "green"),
    "changed": ("~", "yellow"),
    "added": ("+", "bright_black"),
    "removed": ("-", "bright_black"),
}


def diff_matrices(one: str, other: str, output: Output) -> bool:
    """Whether nothing that passes at `one` fails at `other`; each is what `page_at` takes."""
    before, after = page_at(one), page_at(other)
    found = by_kind(changes(before.matrix, after.matrix))

    def tell(console: Console) -> None:
        for word, page in (("before", before), ("after", after)):
            pair = f"Claude Code {page.matrix.claude_code_version} through LiteLLM {page.matrix.litellm_version}"
            console.print(f"[dim]{word:<8}{escape(printable(f'{pair}, {page.source}'))}[/]", soft_wrap=True)
        for kind, changed in found.items():
            icon, style = _STYLE[kind]
            for change in changed:
                step = " -> ".join(status for status in (change.before, change.after) if status)
                why = f": {error}" if (error := _error(after, change)) else ""
                told = printable(f"{change.feature} on {change.provider}: {step}{why}")
                console.print(f"[{style}]{icon} {kind:<9}{escape(told)}[/]", soft_wrap=True)
        counts = [f"{len(changed)} {kind}" for kind, changed in found.items() if changed]
        console.print(", ".join(counts) or "no cell changed")

    output.result(_document(before, after, found), tell)
    return not found["broken"]


def _document(before: Page, after: Page, found: dict[ChangeKind, list[Change]]) -> dict[str, Any]:
    listed: dict[str, Any] = {
        kind: [asdict(change) | {"error": _error(after, change)} for change in changed]
        for kind, changed in found.items()
    }
    return {"schema_version": "diff/1", "before": _about(before), "after": _about(after), **listed}


def _about(page: Page) -> dict[str, Any]:
    about = {"generated_at", "litellm_version", "claude_code_version"}
    return {"source": page.source, **page.matrix.model_dump(mode="json", include=about)}


def _error(after: Page, change: Change) -> str | None:
    """What is said of a cell that fails now."""
    cell = after.matrix.cells.get((change.feature, change.provider))
    return cell.error if isinstance(cell, Failing) else None
