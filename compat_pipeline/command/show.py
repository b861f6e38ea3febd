"""`compat show`: the matrix as a coloured table, the reasons of its red cells, and where the documents are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from compat_pipeline.command.output import STATUS_STYLE, Output, printable
from compat_pipeline.domain.details import CompatibilityDetails
from compat_pipeline.domain.matrix import CompatibilityMatrix, Failing, Inapplicable
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.publication.baseline import fetch_baseline

_LONGEST_REASON_CHARS = 400

Reason = tuple[str, str, str]
"""(status, why, which cell)"""


@dataclass(frozen=True)
class Page:
    """A matrix and where it came from; `details` and `home` are None where only the published document is at hand."""

    source: str
    matrix: CompatibilityMatrix
    details: CompatibilityDetails | None = None
    home: CompatHome | None = None

    def document(self) -> dict[str, Any]:
        """For programs: both documents, as they are written."""
        details = self.details.model_dump(mode="json", exclude_none=True) if self.details else None
        return {"matrix": self.matrix.model_dump(mode="json"), "details": details}

    def print(self, console: Console) -> None:
        """For people."""
        matrix, details = self.matrix, self.details
        console.print(Text.assemble(*_title(matrix, details)))
        console.print(_table(matrix))
        _explain(console, _reasons_of_details(details) if details else _reasons_of_matrix(matrix))
        if details and details.upstream == "emulated":
            console.print(
                "[dim]emulated: green proves LiteLLM's translation against our model of each API, not the cloud[/]"
            )
        if self.home is None:
            console.print(f"matrix     {escape(self.source)}", soft_wrap=True)
            return
        console.print(f"matrix     {escape(str(self.home.matrix))}", soft_wrap=True)
        if details:
            console.print(f"details    {escape(str(self.home.details))}", soft_wrap=True)
        if self.home.page.exists():
            console.print(f"page       {escape(str(self.home.page))}", soft_wrap=True)
        if details:
            _suggest(console, details)


def show_matrix(source: str, output: Output) -> None:
    """Print the matrix at `source`: see `page_at`."""
    page = page_at(source)
    output.result(page.document(), page.print)


def page_at(source: str) -> Page:
    """The matrix at `source`: a file, an http(s) address, `docs-repo`, the folder of a COMPAT_HOME; empty: our own.

    Raises WrongUsage when there is none, or of another schema, CompatError when it cannot be read.
    """
    home = CompatHome.from_env()
    if not source:
        return page_of(home)
    from compat_pipeline.resources.docs_repo import DOCS_REPO, DocsRepo, matrix_at  # brings Dagster with it

    if source != DOCS_REPO and (folder := Path(source)).is_dir():
        home = replace(home, root=folder.absolute())
        if not home.matrix.exists():
            raise WrongUsage(f"there is no {home.matrix}", "name a matrix, or the COMPAT_HOME of a finished run")
        return page_of(home)
    found = matrix_at(source, DocsRepo())
    return Page(found.name, found.matrix)


def page_of(home: CompatHome) -> Page:
    """The last matrix of `home`, and its details if they are there.

    Raises WrongUsage for what is no matrix of the known schema, CompatError when a file is missing or cannot be read.
    """
    if not home.matrix.exists():
        raise CompatError(f"there is no matrix yet: {home.matrix} does not exist", "make one: compat run")
    matrix, details = fetch_baseline(str(home.matrix)).matrix, None
    try:
        if home.details.exists():
            details = CompatibilityDetails.model_validate_json(home.details.read_bytes())
    except (OSError, ValidationError) as error:
        raise CompatError(f"{home.details} cannot be read: {error}", "write it anew: compat run") from error
    about = {(one.litellm_version, one.claude_code_version, one.generated_at) for one in (matrix, details or matrix)}
    if len(about) > 1:
        raise CompatError(
            f"{home.matrix.name} and {home.details.name} in {home.root} are of different runs", "run `compat run` again"
        )
    return Page(str(home.matrix), matrix, details, home)


def _title(matrix: CompatibilityMatrix, details: CompatibilityDetails | None) -> Iterator[tuple[str, str]]:
    yield f"Claude Code {printable(matrix.claude_code_version)}", "bold"
    yield " through ", ""
    yield f"LiteLLM {printable(matrix.litellm_version)}", "bold"
    providers = f", {details.upstream} providers" if details else ""
    yield f"  {matrix.generated_at:%Y-%m-%d %H:%M} UTC{providers}", "dim"


def _table(matrix: CompatibilityMatrix) -> Table:
    table = Table("feature", *map(_plain, matrix.providers), header_style="bold")
    for row in matrix.features:
        words = [(*STATUS_STYLE[cell.status], cell.status.replace("_", " ")) for cell in row.providers.values()]
        table.add_row(_plain(row.name), *[f"[{style}]{icon} {word}[/]" for icon, style, word in words])
    return table


def _plain(text: str) -> str:
    return escape(printable(text))


def _reasons_of_details(details: CompatibilityDetails) -> Iterator[Reason]:
    """Of each model that failed or was left open."""
    for cell in details.cells:
        key = f"{cell.feature}|{cell.provider}/{cell.model}"
        if cell.status == "fail":
            yield "fail", f"{cell.cause}: {cell.error}"[:_LONGEST_REASON_CHARS], key
        elif cell.open:
            yield "inconclusive", cell.open[:_LONGEST_REASON_CHARS], key


def _reasons_of_matrix(matrix: CompatibilityMatrix) -> Iterator[Reason]:
    """All that the published document says."""
    for row in matrix.features:
        for provider, cell in row.providers.items():
            if isinstance(cell, Failing | Inapplicable):
                why = cell.error if isinstance(cell, Failing) else cell.reason
                yield cell.status, why, f"{row.id} on {provider}"


def _explain(console: Console, reasons: Iterable[Reason]) -> None:
    """Each reason once, with the cells that have it."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for status, why, which in reasons:
        by_reason.setdefault((status, why), []).append(which)
    for (status, why), cells in by_reason.items():
        icon, style = STATUS_STYLE[status]
        console.print(f"[{style}]{icon}[/] {_plain(why)}")
        for which in cells:
            console.print(f"    [{style}]{_plain(which)}[/]")


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
