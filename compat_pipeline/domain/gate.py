"""The gate: whether a change of LiteLLM may be merged, from what its cells did and what the published matrix says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.diff import Change, changes
from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.matrix import (
    CompatibilityMatrix,
    Failing,
    MatrixCell,
    MatrixRow,
    Passing,
    Untested,
    aggregate,
)
from compat_pipeline.domain.observation import Observation
from compat_pipeline.domain.verdict import UpstreamMode, Verdict, judge

GateOutcome = Literal["clean", "regression", "could_not_judge"]

GateStatus = Literal["pass", "regression", "known_red", "new_red", "not_applicable", "unjudged"]
"""How a red stands to the baseline: `regression`: it passed there, or there is none; `known_red`: red there, too;
`new_red`: nothing passed there: it was not tested, did not apply or did not exist."""

RedStatus = Literal["regression", "known_red", "new_red"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GateCell(_Part):
    """One planned cell. `told` is the error or reason; `cause` is whom a red or unjudged one points at."""

    feature: str
    provider: str
    model: str
    status: GateStatus
    told: str = ""
    cause: str | None = None
    attempts: int = 0
    duration_s: float = 0.0
    evidence: str | None = None

    @property
    def key(self) -> str:
        return Cell(self.feature, self.provider, self.model).key


class GateReport(_Part):
    """What the gate found. `fault` says why nothing more could be run.

    `litellm`, `claude_code` and `baseline` (None: there was none) are what `compat gate` takes to run the same again.
    """

    schema_version: Literal["gate/1"] = "gate/1"
    generated_at: AwareDatetime
    upstream: UpstreamMode
    litellm: str
    claude_code: str
    baseline: str | None
    fault: str | None = None
    cells: tuple[GateCell, ...]
    without_test: tuple[str, ...] = ()
    matrix: CompatibilityMatrix
    changed: tuple[Change, ...] = ()

    @property
    def outcome(self) -> GateOutcome:
        """A regression is one whatever else could not be judged; clean needs every planned cell judged."""
        found = {cell.status for cell in self.cells}
        if "regression" in found:
            return "regression"
        return "could_not_judge" if "unjudged" in found or self.fault or not self.cells else "clean"

    def of(self, *statuses: GateStatus) -> list[GateCell]:
        """The cells of these statuses, in manifest order."""
        return [cell for cell in self.cells if cell.status in statuses]

    @property
    def headline(self) -> str:
        """The outcome in one line."""
        counted = Counter(cell.status for cell in self.cells)
        numbers = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in sorted(counted.items()))
        said = {"clean": "no regression", "regression": "regression", "could_not_judge": "could not judge every cell"}
        return f"{said[self.outcome]}: {numbers or 'no cell was planned'}"


@dataclass(frozen=True)
class Baseline:
    """A published matrix to hold others against; `name` says where it came from, without a secret of its address."""

    name: str
    matrix: CompatibilityMatrix

    def tells_of(self, cells: Iterable[Cell]) -> bool:
        """Whether the place of any of `cells` is in it and was tested; else nothing can be held against it."""
        published = self.matrix.cells
        return any(
            (cell.feature, cell.provider) in published
            and not isinstance(published[cell.feature, cell.provider], Untested)
            for cell in cells
        )


@dataclass(frozen=True)
class Subject:
    """One product under test: by which request it can be had again, and its version."""

    request: str
    version: str


def build_report(
    manifest: Manifest,
    planned: Sequence[Cell],
    observations: Iterable[Observation],
    *,
    baseline: Baseline | None,
    litellm: Subject,
    claude_code: Subject,
    upstream: UpstreamMode,
    generated_at: datetime,
    fault: str | None = None,
    without_test: Sequence[Cell] = (),
) -> GateReport:
    """The report of one run over the `planned` cells; what was never observed is unjudged, and `fault` says why.

    Only this run's observations count: a change of LiteLLM is judged by what its own code did.
    """
    seen: dict[Cell, list[Observation]] = {}
    for observation in observations:
        seen.setdefault(observation.cell, []).append(observation)
    verdicts = {cell: judge(seen.get(cell, ())) for cell in planned}
    columns = [provider.id for provider in manifest.providers if any(cell.provider == provider.id for cell in planned)]
    matrix = CompatibilityMatrix(
        schema_version="1",
        generated_at=generated_at.astimezone(timezone.utc).replace(microsecond=0),
        litellm_version=litellm.version,
        claude_code_version=claude_code.version,
        providers=tuple(columns),
        features=tuple(
            MatrixRow(
                id=row.id,
                name=row.name,
                providers={column: _place(manifest, verdicts, row.id, column) for column in columns},
            )
            for row in manifest.features
            if any(cell.feature == row.id for cell in planned)
        ),
    )
    names = {model.id: model.name for model in manifest.models}
    before = baseline.matrix if baseline else None
    return GateReport(
        generated_at=matrix.generated_at,
        upstream=upstream,
        litellm=litellm.request,
        claude_code=claude_code.request,
        baseline=baseline.name if baseline else None,
        fault=fault,
        cells=tuple(
            _gate_cell(cell, verdict, red=_red_status(before, cell, names[cell.model]), fault=fault)
            for cell, verdict in verdicts.items()
        ),
        without_test=tuple(cell.key for cell in without_test),
        matrix=matrix,
        changed=tuple(change for change in changes(before, matrix) if change.after is not None),
    )


def _place(manifest: Manifest, verdicts: Mapping[Cell, Verdict], feature: str, provider: str) -> MatrixCell:
    """The published cell, made from those models that were planned there."""
    cells = [(model.name, Cell(feature, provider, model.id)) for model in manifest.models]
    return aggregate([(name, verdicts[cell]) for name, cell in cells if cell in verdicts])


def _gate_cell(cell: Cell, verdict: Verdict, *, red: RedStatus, fault: str | None) -> GateCell:
    """`red` is what the cell's red would be."""
    status: GateStatus
    if verdict.open is not None or not verdict.times_observed:
        status = "unjudged"
    elif verdict.status == "fail":
        status = red
    else:
        status = "not_applicable" if verdict.status == "not_applicable" else "pass"
    never_ran = "" if verdict.times_observed else f"never ran: {fault or 'nothing was observed of it'}"
    return GateCell(
        **cell._asdict(),
        status=status,
        told=verdict.explanation or never_ran,
        cause=verdict.cause,
        attempts=verdict.attempts,
        duration_s=round(verdict.duration_s, 3),
        evidence=verdict.open_evidence or verdict.evidence,
    )


def _red_status(before: CompatibilityMatrix | None, cell: Cell, model: str) -> RedStatus:
    """What a red of `cell` is; `model` is its model's name.

    Where the place was red, it is a known one only if the published error names the model, since that names every
    broken one.
    """
    if before is None:
        return "regression"
    published = before.cells.get((cell.feature, cell.provider))
    if isinstance(published, Failing):
        named = re.search(rf"(?:^|; ){re.escape(model)}: ", published.error)
        return "known_red" if named else "regression"
    return "regression" if isinstance(published, Passing) else "new_red"
