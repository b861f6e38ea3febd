"""What the accelerator's documentation claims, and whether what was seen here bears it out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from compat_pipeline.domain.environment_cell import EnvironmentPart
from compat_pipeline.domain.environment_rows import EnvironmentRow

FALLBACK_CONTROL = "accelerator_without_its_compiled_module"

_Said = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Claim(EnvironmentPart):
    """One claim. `about` says what bears it out in the `cells` (a shell-style pattern over keys): that they work, that
    they count as stock does, that what the accelerator reports of itself is so, or that it falls back by itself."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    says: _Said
    source: _Said
    about: Literal["works", "same_counts", "self_report", "fallback"]
    cells: _Said


class ClaimSeen(EnvironmentPart):
    """A claim and what was seen of it; `holds` is None where nothing was."""

    id: str
    says: str
    source: str
    seen: str
    holds: bool | None = None


def check_claims(claims: Sequence[Claim], rows: Sequence[EnvironmentRow]) -> tuple[ClaimSeen, ...]:
    """Each claim against the rows that it is about."""
    seen = []
    for claim in claims:
        about = [row for row in rows if row.named(claim.cells) and not row.excluded]
        holds, words = _ABOUT[claim.about](about)
        seen.append(ClaimSeen(id=claim.id, says=claim.says, source=claim.source, holds=holds, seen=words))
    return tuple(seen)


def claims_without_cell(claims: Sequence[Claim], rows: Sequence[EnvironmentRow]) -> list[str]:
    """The claims that no planned environment could bear out or refute."""
    planned = [row for row in rows if not row.excluded]
    return [claim.id for claim in claims if not any(row.named(claim.cells) for row in planned)]


_Judged = tuple[bool | None, str]


def _works(rows: Sequence[EnvironmentRow]) -> _Judged:
    known = [row for row in rows if row.status not in (None, "inconclusive", "targeted", "stale")]
    against = [row for row in known if not row.works]
    if against:
        return False, "; ".join(_short(row) for row in against)
    if not known:
        return None, "; ".join(f"{_name(row)}: {row.status}" for row in rows) or "not planned"
    return True, "; ".join(f"{_name(row)}: {row.status}" for row in known)


def _same_counts(rows: Sequence[EnvironmentRow]) -> _Judged:
    compared = [row for row in rows if row.works]
    if not compared:
        return None, "no environment got as far"
    differences = {f"{one.what} {one.stock} against {one.accelerated}" for row in compared for one in row.parity}
    if differences:
        return False, f"tokens counted by stock against accelerated: {', '.join(sorted(differences))}"
    return True, f"the same in {len(compared)} environment(s)"


def _self_report(rows: Sequence[EnvironmentRow]) -> _Judged:
    told = [row for row in rows if row.report is not None]
    if not told:
        return None, "no environment got as far"
    wrong = list(dict.fromkeys(finding for row in told for finding in row.findings))
    return not wrong, "; ".join(wrong) or f"true in {len(told)} environment(s)"


def _fallback(rows: Sequence[EnvironmentRow]) -> _Judged:
    tried = [control for row in rows if (control := row.controls.get(FALLBACK_CONTROL))]
    if not tried:
        return None, "not tried"
    failed = [control.words for control in tried if control.red]
    return not failed, f"without the compiled module: {failed[0]}" if failed else "it went on without it"


_ABOUT: Mapping[str, Callable[[Sequence[EnvironmentRow]], _Judged]] = {
    "works": _works,
    "same_counts": _same_counts,
    "self_report": _self_report,
    "fallback": _fallback,
}


def _name(row: EnvironmentRow) -> str:
    return f"Python {row.python}, LiteLLM {row.litellm}"


def _short(row: EnvironmentRow) -> str:
    return f"{_name(row)}: {row.status} at {row.stage}" if row.stage else f"{_name(row)}: {row.status}"
