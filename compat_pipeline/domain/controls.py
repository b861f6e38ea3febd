"""Negative controls: what runs under a deliberate fault prove about the tests, as data, JSON and a table. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict

from compat_pipeline.domain.cell import AT_ONCE, Cell, Trial
from compat_pipeline.domain.observation import Observation

ControlVerdict = Literal["killed", "missed", "not_exercised"]


class Control(Protocol):
    """A fault as far as the rules need to know it: `rows` are the features that it must turn red."""

    @property
    def name(self) -> str: ...
    @property
    def imitates(self) -> str: ...
    @property
    def rows(self) -> Collection[str]: ...


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ControlResult(_Part):
    """One cell under one fault that it must notice: whether it went red, and what it said."""

    cell: Cell
    fault: str
    killed: bool
    explanation: str
    proven_at: AwareDatetime


class FaultResult(_Part):
    """One fault; the lists hold cell keys in the order of the trials, or `row|*` for a row in which none was tried.

    A fault none of whose rows is among the cells proves nothing and owes nothing: `not_exercised`, and nothing listed.
    """

    fault: str
    imitates: str
    verdict: ControlVerdict
    killed: tuple[str, ...]
    missed: tuple[str, ...]
    collateral: tuple[str, ...]
    not_exercised: tuple[str, ...]

    @property
    def due(self) -> bool:
        """Whether any of its rows is among the cells, so that they had to notice it."""
        return self.verdict != "not_exercised" or bool(self.not_exercised)


class KillTable(_Part):
    """All faults. `killed` counts the faults of that verdict, `collateral` the cells that went red without a reason."""

    faults: int
    killed: int
    collateral: int
    rows: tuple[FaultResult, ...]

    @property
    def due(self) -> int:
        """How many of the faults these cells had to notice."""
        return sum(row.due for row in self.rows)

    @property
    def proven(self) -> bool:
        """Whether every fault that is due was killed, one at least, and no other cell went red."""
        return 0 < self.killed == self.due and not self.collateral


Grouping = Callable[[Cell, Sequence[str]], Iterable[Sequence[str]]]
"""Gives the faults of those names in groups, in each of which none hides from the cell what another one does."""


def plan_trials(
    faults: Iterable[Control], touched: Mapping[str, Sequence[Cell]], grouped: Grouping, *, in_turn: bool
) -> list[Trial]:
    """The trials of each fault: the cells it touches, those that must notice it and those that must not.

    A cell that must notice a fault is tried under it alone. Those that it must not notice are tried at once, a group at
    a time: most trials would be of that kind, and none is to make a difference. `told_apart` finds the one that did.
    With `in_turn` each pair of fault and row is tried on one target only: every fault meets every row, and every
    target many of the faults.
    """
    plan = []
    bystanders: dict[Cell, list[str]] = {}
    turns = {row: turn for turn, row in enumerate(dict.fromkeys(cell.feature for cell in chain(*touched.values())))}
    for number, fault in enumerate(faults):
        rows: dict[str, list[Cell]] = {}
        for cell in touched[fault.name]:
            rows.setdefault(cell.feature, []).append(cell)
        for place, (row, cells) in enumerate(rows.items(), start=number):
            must_notice = row in fault.rows
            turn = place if must_notice else turns[row]  # so that a row's bystanders meet on one target
            for cell in [cells[turn % len(cells)]] if in_turn else cells:
                if must_notice:
                    plan.append(Trial(cell, fault.name))
                else:
                    bystanders.setdefault(cell, []).append(fault.name)
    joint = ((cell, group) for cell, names in bystanders.items() for group in grouped(cell, names))
    return plan + [Trial(cell, AT_ONCE.join(group)) for cell, group in joint]


def told_apart(trials: Iterable[Observation]) -> list[Trial]:
    """One half of the faults, and the other, where a cell was run under several at once and did not pass.

    To be asked again of what came of those: what is left in the end is each fault that makes a difference, alone.
    """
    halves = []
    for seen in trials:
        names, middle = seen.trial.faults, len(seen.trial.faults) // 2
        if len(names) > 1 and seen.attempts and seen.outcome.status != "pass":
            halves += [Trial(seen.cell, AT_ONCE.join(half)) for half in (names[:middle], names[middle:])]
    return halves


def control_results(
    faults: Iterable[Control], baseline: Iterable[Observation], trials: Iterable[Observation]
) -> list[ControlResult]:
    """What the `trials` (observations under a fault) prove: one result per fault and cell that must notice it.

    Only a cell that passed without the fault can prove anything, so the others are left out. Red means `fail`: a cell
    that is merely inconclusive under a fault has not noticed it. Of several trials of one cell every one must be red.
    """
    passes, tried = _passing(baseline), _by_fault(trials)
    return [
        _result(fault, cell, seen)
        for fault in faults
        for cell, seen in tried.get(fault.name, {}).items()
        if cell.feature in fault.rows and cell in passes
    ]


def kill_table(faults: Sequence[Control], baseline: Sequence[Observation], trials: Sequence[Observation]) -> KillTable:
    """Per fault, whether every cell that must notice it went red, and which others went red with it.

    A fault is `killed` when every row of it noticed it and no cell that must notice it missed it, `missed` when one
    did, and `not_exercised` when some row of it could not prove anything: no cell of it was tried, or none passed
    without the fault. Those are listed as not exercised. Rows none of whose cells is in the baseline, or to which none
    of those applies, are left out. Cells of other rows are collateral when they passed without the fault and are red
    with it. An inconclusive cell of another row is none: it says nothing against the product.
    """
    passes, tried = _passing(baseline), _by_fault(trials)
    chosen = {seen.cell.feature for seen in baseline if seen.outcome.status != "not_applicable"}
    by_fault: dict[str, list[ControlResult]] = {}
    for result in control_results(faults, baseline, trials):
        by_fault.setdefault(result.fault, []).append(result)
    rows = tuple(
        _fault_result(fault, by_fault.get(fault.name, []), tried.get(fault.name, {}), passes, chosen)
        for fault in faults
    )
    return KillTable(
        faults=len(rows),
        killed=sum(row.verdict == "killed" for row in rows),
        collateral=sum(len(row.collateral) for row in rows),
        rows=rows,
    )


def dump_kill_table(table: KillTable) -> str:
    """The bytes of mutants.json: 2-space indent, readable non-ASCII, final newline."""
    return table.model_dump_json(indent=2) + "\n"


def kill_table_text(table: KillTable) -> str:
    """A line per fault that is due, with its numbers of cells, then each cell that needs a look, then the totals."""
    head = ("fault", "imitates", "verdict", "killed", "missed", "collateral", "not exercised")
    due = [row for row in table.rows if row.due or row.collateral]
    lines = [head, *(_numbers(row) for row in due)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    text += [f"missed: {key} under {row.fault}" for row in due for key in row.missed]
    text += [f"collateral: {key} under {row.fault}" for row in due for key in row.collateral]
    text += [f"not exercised: {key} under {row.fault}" for row in due for key in row.not_exercised]
    if others := table.faults - table.due:
        text.append(f"{others} fault(s) are of other rows than these")
    text.append(f"{table.killed} of {table.due} faults killed, {table.collateral} collateral red")
    return "\n".join(text) + "\n"


_Trials = Mapping[Cell, Sequence[Observation]]


def _fault_result(
    fault: Control,
    results: Sequence[ControlResult],
    tried: _Trials,
    passes: Collection[Cell],
    chosen: Collection[str],
) -> FaultResult:
    killed = tuple(result.cell.key for result in results if result.killed)
    missed = tuple(result.cell.key for result in results if not result.killed)
    due = set(fault.rows).intersection(chosen)
    untried = sorted(due - {cell.feature for cell in tried})
    silent = due - {result.cell.feature for result in results}
    without_ground = [cell.key for cell in tried if cell.feature in fault.rows and cell not in passes]
    return FaultResult(
        fault=fault.name,
        imitates=fault.imitates,
        verdict="missed" if missed else "killed" if killed and not silent else "not_exercised",
        killed=killed,
        missed=missed,
        collateral=tuple(
            cell.key
            for cell, seen in tried.items()
            if cell.feature not in fault.rows and cell in passes and any(one.outcome.status == "fail" for one in seen)
        ),
        not_exercised=(*without_ground, *(f"{row}|*" for row in untried)),
    )


def _result(fault: Control, cell: Cell, seen: Sequence[Observation]) -> ControlResult:
    green = [one for one in seen if one.outcome.status != "fail"]
    told = (green or seen)[-1]
    return ControlResult(
        cell=cell,
        fault=fault.name,
        killed=not green,
        explanation=told.explanation or told.outcome.status,
        proven_at=told.observed_at,
    )


def _passing(baseline: Iterable[Observation]) -> set[Cell]:
    """The cells that passed without a fault, each time they were observed."""
    seen = list(baseline)
    return {one.cell for one in seen} - {one.cell for one in seen if one.outcome.status != "pass" or one.fault}


def _by_fault(trials: Iterable[Observation]) -> dict[str, dict[Cell, list[Observation]]]:
    """One that was never run (the proxy died, the budget was used up) proves nothing either way, and is left out.

    So is one under several faults at once that did not pass: it says nothing of any one of them.
    """
    tried: dict[str, dict[Cell, list[Observation]]] = {}
    for trial in trials:
        names = trial.trial.faults
        if not names:
            raise ValueError(f"the trial of {trial.cell.key} names no fault")
        for name in names if trial.attempts and (len(names) == 1 or trial.outcome.status == "pass") else ():
            tried.setdefault(name, {}).setdefault(trial.cell, []).append(trial)
    return tried


def _numbers(row: FaultResult) -> tuple[str, ...]:
    lists = (row.killed, row.missed, row.collateral, row.not_exercised)
    return (row.fault, row.imitates, row.verdict.replace("_", " "), *(str(len(cells)) for cells in lists))
