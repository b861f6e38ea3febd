"""`compat show`: the matrix as a coloured table, the reasons of its red cells, and where the documents are."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from compat_pipeline.domain.details import CellDetails, CompatibilityDetails
from compat_pipeline.domain.matrix import CompatibilityMatrix, parse_matrix
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome

STATUS_STYLE = {
    "pass": ("✓", "green"),
    "fail": ("✗", "red"),
    "not_applicable": ("—", "bright_black"),
    "not_tested": ("?", "yellow"),
    "inconclusive": ("?", "yellow"),
    "unjudged": ("?", "yellow"),
}
_LONGEST_REASON_CHARS = 400
_PIPED_WIDTH = 140


def make_console() -> Console:
    """The user's terminal; as wide as the table needs where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def show_matrix(home: CompatHome, console: Console | None = None) -> CompatibilityDetails:
    """Print the last matrix; returns its details. CompatError when there is none, or a file is damaged."""
    console = console or make_console()
    matrix, details = _read(home)
    console.print(
        f"[bold]Claude Code {matrix.claude_code_version}[/] through [bold]LiteLLM {matrix.litellm_version}[/]"
        f"  [dim]{matrix.generated_at:%Y-%m-%d %H:%M} UTC, {details.upstream} providers[/]"
    )
    console.print(_table(matrix))
    _explain(console, [cell for cell in details.cells if cell.status == "fail" or cell.open])
    if details.upstream == "emulated":
        console.print(
            "[dim]emulated: green proves LiteLLM's translation against our model of each API, not the cloud[/]"
        )
    console.print(f"matrix     {home.matrix}\ndetails    {home.details}", soft_wrap=True)
    _suggest(console, details)
    return details


def _read(home: CompatHome) -> tuple[CompatibilityMatrix, CompatibilityDetails]:
    try:
        matrix = parse_matrix(home.matrix.read_text())
        details = CompatibilityDetails.model_validate_json(home.details.read_text())
    except FileNotFoundError as error:
        raise CompatError(f"there is no matrix yet: {error.filename} does not exist", "make one: compat run") from error
    except (OSError, ValidationError, ValueError) as error:
        raise CompatError(f"the matrix in {home.root} cannot be read: {error}", "write it anew: compat run") from error
    about = [(one.litellm_version, one.claude_code_version, one.generated_at) for one in (matrix, details)]
    if about[0] != about[1]:
        raise CompatError(
            f"{home.matrix.name} and {home.details.name} in {home.root} are of different runs", "run `compat run` again"
        )
    return matrix, details


def _table(matrix: CompatibilityMatrix) -> Table:
    table = Table("feature", *matrix.providers, header_style="bold")
    for row in matrix.features:
        words = [(*STATUS_STYLE[cell.status], cell.status.replace("_", " ")) for cell in row.providers.values()]
        table.add_row(row.name, *[f"[{style}]{icon} {word}[/]" for icon, style, word in words])
    return table


def _explain(console: Console, cells: Sequence[CellDetails]) -> None:
    by_reason: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        failed = cell.status == "fail"
        reason = (f"{cell.cause}: {cell.error}" if failed else cell.open or "")[:_LONGEST_REASON_CHARS]
        key = f"{cell.feature}|{cell.provider}/{cell.model}"
        by_reason.setdefault(("fail" if failed else "inconclusive", reason), []).append(key)
    for (status, reason), keys in by_reason.items():
        icon, style = STATUS_STYLE[status]
        console.print(f"[{style}]{icon}[/] {escape(reason)}")
        for key in keys:
            console.print(f"    [{style}]{key}[/]")


def _suggest(console: Console, details: CompatibilityDetails) -> None:
    broken = next((cell for cell in details.cells if cell.status == "fail"), None)
    suggestions = ["compat ui    see and re-run any cell"]
    if details.counts.inconclusive:
        suggestions.insert(0, "compat run --cells inconclusive    re-run those that could not be judged")
    if broken:
        key = f"'{broken.feature}|{broken.provider}/{broken.model}'"
        suggestions[:0] = [
            f"compat evidence {key}    what one red cell sent and got",
            f"compat run --cells {key}    re-run it",
        ]
    console.print("next       " + "\n           ".join(suggestions), soft_wrap=True)
