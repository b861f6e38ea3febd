"""Acknowledgements: known reds, each with an owner, an issue and the day by which it is looked at again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.manifest import NOT_YAML, ManifestError, Said
from compat_pipeline.domain.verdict import NEVER_OBSERVED, Verdict


class AcknowledgedError(ManifestError):
    """A list of acknowledgements that cannot be used; the message names the file and each wrong entry."""


class Acknowledgement(BaseModel):
    """One known red: `cell` is a shell-style pattern over cell keys, `expires` the last day on which it counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Annotated[str, Field(pattern=r"^[^|/\s]+\|[^|/\s]+/[^|/\s]+$")]
    owner: Said
    issue: Annotated[str, Field(pattern=r"^https?://\S+$")]
    expires: Annotated[date, Field(strict=True)]
    reason: Said

    def claims(self, cell: Cell) -> bool:
        return fnmatchcase(cell.key, self.cell)


_LIST = TypeAdapter(tuple[Acknowledgement, ...])


def parse_acknowledged(text: str, source: str = "acknowledged.yaml") -> tuple[Acknowledgement, ...]:
    """Read and validate the YAML list; raises AcknowledgedError that names `source` and each wrong entry."""
    try:
        entries = yaml.safe_load(text)
    except NOT_YAML as error:
        raise AcknowledgedError(f"{source} is not YAML: {error}") from error
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise AcknowledgedError(f"{source} must be a list of acknowledgements, `[]` when there is none")
    try:
        return _LIST.validate_python(entries)
    except ValidationError as error:
        wrong = [f"  {_place(entries, item['loc'])}: {item['msg']}" for item in error.errors()]
        raise AcknowledgedError(f"{source} holds acknowledgements that cannot be used:\n" + "\n".join(wrong)) from error


def _place(entries: list[Any], location: tuple[int | str, ...]) -> str:
    """`entry 2 (vision|azure/*), expires`: by its number, by its cell where it has one, and the field."""
    number = int(location[0])
    entry = entries[number]
    cell = f" ({entry['cell']})" if isinstance(entry, dict) and isinstance(entry.get("cell"), str) else ""
    return ", ".join([f"entry {number + 1}{cell}", *map(str, location[1:])])


def known_issue_of(cell: Cell, entries: Sequence[Acknowledgement], today: date) -> Acknowledgement | None:
    """The entry that claims `cell` and has not expired; None when there is none."""
    return next((entry for entry in entries if entry.claims(cell) and today <= entry.expires), None)


def check_acknowledgements(
    entries: Sequence[Acknowledgement], planned: Sequence[Cell], verdicts: Mapping[Cell, Verdict], today: date
) -> list[str]:
    """What is wrong with `entries`, one sentence each; empty when all of them hold.

    An entry is wrong when it claims no planned cell, has expired, claims a cell that another one claims, or claims no
    red cell any more. A flaky cell is still red here, whatever it showed last, and a cell that is unjudged may be: an
    outage must not ask for the removal of what will be needed when it is over.
    """
    wrong: list[str] = []
    for entry in entries:
        claimed = [cell for cell in planned if entry.claims(cell)]
        if not claimed:
            wrong.append(f"'{entry.cell}' ({entry.owner}) matches no planned cell: correct its pattern or remove it")
        elif not any(_may_be_red(verdicts.get(cell, NEVER_OBSERVED)) for cell in claimed):
            wrong.append(f"'{entry.cell}' ({entry.owner}) matches no red cell any more: remove it, see {entry.issue}")
        if entry.expires < today:
            wrong.append(
                f"'{entry.cell}' ({entry.owner}) expired on {entry.expires}: renew or remove it, see {entry.issue}"
            )
    return wrong + _contradictions(entries, planned)


def _may_be_red(verdict: Verdict) -> bool:
    return verdict.status in ("fail", "unjudged") or verdict.flaky


def _contradictions(entries: Sequence[Acknowledgement], planned: Sequence[Cell]) -> list[str]:
    wrong: list[str] = []
    for one, other in combinations(entries, 2):
        if both := [cell.key for cell in planned if one.claims(cell) and other.claims(cell)]:
            more = f" and {len(both) - 1} more" if len(both) > 1 else ""
            wrong.append(
                f"'{one.cell}' ({one.owner}) contradicts '{other.cell}' ({other.owner}): both claim {both[0]}{more}"
            )
    return wrong
