"""`compat evidence CELL`: one bundle told for people: what was sent, what came back, where it went wrong."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from pydantic import ValidationError
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from compat_pipeline.command.exchange import answer_rows, changed_rows, one_line, request_rows, upstream_rows
from compat_pipeline.command.output import STATUS_STYLE, Output
from compat_pipeline.domain.cell import Cell, NoSuchCell, select
from compat_pipeline.domain.details import CompatibilityDetails
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.evidence import CallEvidence, Evidence, EvidenceStore
from compat_pipeline.wire.exchange import Exchange

_SHORTEST_DIGEST_CHARS = 8
_TOLD_DIGEST_CHARS = 12
_NAMED_CELLS = 5
_STDERR_TOLD_CHARS = 1000

Row = tuple[str, str]


def show_evidence(home: CompatHome, asked: str, output: Output) -> None:
    """Print the evidence of `asked`: a cell, a pattern that matches one, or (the start of) a bundle's digest."""
    store = EvidenceStore(home.evidence)
    digest = _by_digest(store, asked) or _latest(home, _one_cell(asked))
    evidence = store.read(digest)

    def tell(console: Console) -> None:
        console.print(render(evidence))
        # Each on one line, whatever the width: they are there to be copied.
        console.print(Text.assemble(("\nagain        ", "dim"), evidence.reproduce), soft_wrap=True)
        console.print(f"[dim]all of it    compat evidence --json {digest[:_TOLD_DIGEST_CHARS]}[/]", soft_wrap=True)

    output.result(evidence.model_dump(mode="json"), tell)


def _by_digest(store: EvidenceStore, asked: str) -> str | None:
    """The one bundle whose digest begins so; None if `asked` does not look like a digest."""
    if not re.fullmatch(rf"[0-9a-f]{{{_SHORTEST_DIGEST_CHARS},64}}", asked):
        return None
    found = store.find(asked)
    if len(found) != 1:
        what = "several bundles begin" if found else "no bundle begins"
        raise CompatError(f"{what} with {asked}", "give more of the digest, or the cell: compat evidence CELL")
    return found[0]


def _one_cell(asked: str) -> Cell:
    try:
        cells = select(load_manifest().cells, [asked])
    except NoSuchCell as error:
        raise WrongUsage(str(error), "see `compat run --help` for how cells are named") from error
    if len(cells) > 1:
        some = "\n  ".join(cell.key for cell in cells[:_NAMED_CELLS])
        more = f"\n  and {len(cells) - _NAMED_CELLS} more" if len(cells) > _NAMED_CELLS else ""
        raise WrongUsage(f"'{asked}' matches {len(cells)} cells:\n  {some}{more}", "name one of them")
    return cells[0]


def _latest(home: CompatHome, cell: Cell) -> str:
    """The evidence of the cell's latest observation under the versions of the matrix as last written."""
    try:
        details = CompatibilityDetails.model_validate_json(home.details.read_text())
    except FileNotFoundError as error:
        raise CompatError(f"there is no matrix yet: {error.filename} does not exist", "make one: compat run") from error
    except (OSError, ValidationError, ValueError) as error:
        raise CompatError(f"{home.details} cannot be read: {error}", "write it anew: compat run") from error
    for seen in details.cells:
        if (seen.feature, seen.provider, seen.model) == cell and (digest := seen.open_evidence or seen.evidence):
            return digest
    raise CompatError(f"no evidence is kept of {cell.key}", f"run it: compat run --cells {shlex.quote(cell.key)}")


def render(evidence: Evidence) -> RenderableType:
    """The whole bundle, in the order in which things happened, the outcome first."""
    calls = [_call(call, number, len(evidence.calls)) for number, call in enumerate(evidence.calls, 1)]
    return Group(_outcome(evidence), *calls)


def _outcome(evidence: Evidence) -> RenderableType:
    icon, style = STATUS_STYLE.get(evidence.status, ("?", "yellow"))
    verdict = f"{icon} {evidence.status.replace('_', ' ')}" + (f" ({evidence.cause})" if evidence.cause else "")
    title = Text.assemble((evidence.cell, "bold"), "  ", (verdict, style))
    under = (
        f"Claude Code {evidence.claude_code_version} through LiteLLM {evidence.litellm_version}, "
        f"{evidence.upstream} providers, {evidence.observed_at:%Y-%m-%d %H:%M:%S} UTC\n"
        f"variant {evidence.variant}, configuration {evidence.config_digest[:_TOLD_DIGEST_CHARS]}, "
        f"suite {evidence.suite_revision[:_TOLD_DIGEST_CHARS]}"
    )
    told = [Text("\n".join(map(one_line, evidence.explanation.splitlines())), style)] if evidence.explanation else []
    fault = [Text(f"the wire was broken on purpose: {evidence.fault}", "yellow")] if evidence.fault else []
    return Group(title, *told, *fault, Text(under, "dim"))


def _call(call: CallEvidence, number: int, of: int) -> RenderableType:
    if call.argv:
        cost = f"exit {call.exit_code}, {call.duration_s:.1f} s ({call.cpu_s:.1f} s of CPU)"
        title = Text(f"\nthe CLI, call {number} of {of}: {cost}", "bold")
    else:
        title = Text(f"\nstraight to the proxy, call {number} of {of}", "bold")
    upstream = _beside(call.exchanges, call.upstream)
    exchanges = [
        _exchange(exchange, upstream[place], f"{place + 1} of {len(call.exchanges)}")
        for place, exchange in enumerate(call.exchanges)
    ]
    alone = [row for one in upstream[-1] for row in upstream_rows(one)]
    return Group(title, _rows(list(_process_rows(call))), *exchanges, _rows(alone))


def _process_rows(call: CallEvidence) -> Iterator[Row]:
    if call.argv:
        yield "command", one_line(shlex.join(call.argv))
    if call.stdin:
        yield "stdin", one_line(call.stdin)
    results = [event for event in call.events if isinstance(event, dict) and event.get("type") == "result"]
    for result in results:
        ended = "ended in an error" if result.get("is_error") else "ended well"
        yield "told", f"{ended}: {one_line(str(result.get('result') or result.get('subtype')))}"
    if call.argv and not results:
        yield "told", "no result: the CLI ended early"
    for text in (event for event in call.events if isinstance(event, str)):
        yield "stdout", one_line(text)
    if call.stderr.strip():
        yield "stderr", one_line(call.stderr.strip()[-_STDERR_TOLD_CHARS:])


def _exchange(exchange: ClientExchange, upstream: Sequence[Exchange], place: str) -> RenderableType:
    took = f"{exchange.finished_at - exchange.started_at:.2f} s"
    well = 0 < exchange.status < 400 and not exchange.broken and not exchange.violations
    title = Text.assemble(
        f"  exchange {place}: {exchange.method} {one_line(exchange.path)}  ",
        (str(exchange.status or "no answer"), "green" if well else "red"),
        f"  {took}",
    )
    rows = [*request_rows(exchange), *answer_rows(exchange)]
    for one in upstream:
        rows += [*upstream_rows(one), *changed_rows(exchange, one)]
    return Group(title, _rows(rows))


def _beside(client: Sequence[ClientExchange], upstream: Sequence[Exchange]) -> dict[int, list[Exchange]]:
    """The upstream's exchanges by the place of the client's that caused them; under -1 what none did.

    The cause is one that was open when the upstream's began; of several, the one that says the same last.
    """
    beside: dict[int, list[Exchange]] = {place: [] for place in range(-1, len(client))}
    for one in upstream:
        open_then = [
            (asked.request.get("messages", [])[-1:] == one.request.get("messages", [])[-1:], place)
            for place, asked in enumerate(client)
            if asked.started_at <= one.started_at <= asked.finished_at
        ]
        beside[max(open_then)[1] if open_then else -1].append(one)
    return beside


def _rows(rows: Sequence[Row]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True, min_width=14)
    table.add_column(overflow="fold")
    for (name, told), (above, _) in zip(rows, [("", ""), *rows], strict=False):
        table.add_row("" if name == above else f"    {name}", Text(told, _ROW_STYLE.get(name, "")))
    return table


_ROW_STYLE = {"wrong": "red", "refused": "red", "stderr": "red", "changed": "yellow", "came back": "yellow"}
