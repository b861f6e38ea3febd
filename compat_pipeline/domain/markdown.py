"""The matrix and its changes as Markdown: a table of icons and words with its reasons, and a list. Pure text."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from compat_pipeline.domain.diff import Change
from compat_pipeline.domain.matrix import CompatibilityMatrix, Failing, Inapplicable, MatrixStatus

WORDS: dict[MatrixStatus, str] = {
    "pass": "✅ pass",
    "fail": "❌ fail",
    "not_applicable": "➖ not applicable",
    "not_tested": "❔ not tested",
}

_MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]()#+!|~])")


def matrix_markdown(matrix: CompatibilityMatrix) -> str:
    """Both versions, the table, and below it the reason of every cell that failed or does not apply."""
    parts = [
        f"LiteLLM {plain(matrix.litellm_version)}, Claude Code {plain(matrix.claude_code_version)}, "
        f"{matrix.generated_at:%Y-%m-%d %H:%M} UTC",
        _table(matrix),
    ]
    if reasons := _reasons(matrix):
        parts.append("\n".join(reasons))
    return "\n\n".join(parts) + "\n"


def changes_markdown(changed: Sequence[Change]) -> str:
    """One list entry per change, or that there is none."""
    return "".join(f"- {_change(change)}\n" for change in changed) or "Nothing changed.\n"


def _table(matrix: CompatibilityMatrix) -> str:
    return table(
        ["Feature", *map(plain, matrix.providers)],
        [[plain(row.name), *(WORDS[cell.status] for cell in row.providers.values())] for row in matrix.features],
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _reasons(matrix: CompatibilityMatrix) -> list[str]:
    return [
        f"- {WORDS[cell.status]}: {plain(row.name)}, {plain(provider)}: "
        + plain(cell.error if isinstance(cell, Failing) else cell.reason)
        for row in matrix.features
        for provider, cell in row.providers.items()
        if isinstance(cell, Failing | Inapplicable)
    ]


def _change(change: Change) -> str:
    before = WORDS[change.before] if change.before else "added"
    after = WORDS[change.after] if change.after else "removed"
    return f"{plain(change.feature)} on {plain(change.provider)}: {before} → {after}"


def plain(text: str) -> str:
    """Text that Markdown shows as it is: one line, no markup, no HTML."""
    return html.escape(_MARKDOWN_SIGNS.sub(r"\\\1", " ".join(text.split())), quote=False)
