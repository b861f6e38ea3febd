"""What the accelerator's documentation claims, and whether what was seen here bears it out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from compat_pipeline.domain.environment_cell import EnvironmentPart
from compat_pipeline.domain.environment_rows import EnvironmentRow
from compat_pipeline.domain.manifest import Said

FALLBACK_CONTROL = "accelerator_without_its_compiled_module"


class Claim(EnvironmentPart):
    """One claim. `about` says what bears it out in the `cells` (a shell-style pattern over keys): that they work, that
    they count as stock does, that what the accelerator reports of itself is so, or that it falls back by itself."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    says: Said
    source: Said
    about: Literal["works", "same_counts", "self_report", "fallback"]
    cells: Said


Judged = Literal["holds", "partly", "refuted", "unknown"]


class ClaimSeen(EnvironmentPart):
    """A claim and what was seen of it: it is `unknown` where nothing was, `partly` true where some of its environments
    bear it out."""

    id: str
    says: str
    source: str
    judged: Judged
    seen: str


def check_claims(claims: Sequence[Claim], rows: Sequence[EnvironmentRow]) -> tuple[ClaimSeen, ...]:
    """Each claim against the rows that it is about."""
    seen = []
    for claim in claims:
        about = [row for row in rows if row.named(claim.cells) and not row.excluded]
        judged, words = _ABOUT[claim.about](about)
        seen.append(ClaimSeen(id=claim.id, says=claim.says, source=claim.source, judged=judged, seen=words))
    return tuple(seen)


def claims_without_cell(claims: Sequence[Claim], rows: Sequence[EnvironmentRow]) -> list[str]:
    """The claims that no planned environment could bear out or refute."""
    planned = [row for row in rows if not row.excluded]
    return [claim.id for claim in claims if not any(row.named(claim.cells) for row in planned)]


_Told = tuple[Judged, str]


def _works(rows: Sequence[EnvironmentRow]) -> _Told:
    known = [row for row in rows if row.status not in (None, "inconclusive", "targeted", "stale")]
    working = [row for row in known if row.works]
    if not known:
        return "unknown", "no environment of it was judged"
    by_status: dict[str, dict[str, list[str]]] = {}
    for row in known:
        versions = by_status.setdefault(str(row.status), {}).setdefault(row.python, [])
        if row.litellm not in versions:
            versions.append(row.litellm)
    words = "; ".join(
        f"{status}: {', '.join(f'Python {python} with LiteLLM {_and(found)}' for python, found in of.items())}"
        for status, of in by_status.items()
    )
    return ("holds" if working == known else "partly" if working else "refuted"), words


def _and(versions: Sequence[str]) -> str:
    return " and ".join(versions)


def _same_counts(rows: Sequence[EnvironmentRow]) -> _Told:
    compared = [row for row in rows if row.works]
    if not compared:
        return "unknown", "no environment got as far"
    differences = {f"{one.what} {one.stock} against {one.accelerated}" for row in compared for one in row.parity}
    if differences:
        return "refuted", f"tokens counted by stock against accelerated: {', '.join(sorted(differences))}"
    return "holds", f"the same in {len(compared)} environment(s)"


def _self_report(rows: Sequence[EnvironmentRow]) -> _Told:
    told = [row for row in rows if row.report is not None]
    if not told:
        return "unknown", "no environment got as far"
    wrong = list(dict.fromkeys(finding for row in told for finding in row.findings))
    return ("refuted", "; ".join(wrong)) if wrong else ("holds", f"true in {len(told)} environment(s)")


def _fallback(rows: Sequence[EnvironmentRow]) -> _Told:
    tried = [control for row in rows if (control := row.controls.get(FALLBACK_CONTROL))]
    if not tried:
        return "unknown", "not tried"
    failed = [control.words for control in tried if control.red]
    return ("refuted", f"without the compiled module: {failed[0]}") if failed else ("holds", "it goes on without it")


_ABOUT: Mapping[str, Callable[[Sequence[EnvironmentRow]], _Told]] = {
    "works": _works,
    "same_counts": _same_counts,
    "self_report": _self_report,
    "fallback": _fallback,
}
