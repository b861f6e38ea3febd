"""A fault is killed when every cell that must notice it goes red, and what goes red with it is collateral."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.domain.controls import (
    FaultResult,
    KillTable,
    control_results,
    dump_kill_table,
    kill_table,
    kill_table_text,
    plan_trials,
    told_apart,
)
from compat_pipeline.domain.observation import Inconclusive, Observation, Outcome
from compat_pipeline_tests.domain.samples import FAIL, MANIFEST, NOON, NOT_APPLICABLE, OVERLOADED, PASS, observe

OUTCOMES: list[Outcome] = [PASS, FAIL, NOT_APPLICABLE, OVERLOADED]
CELLS = [cell for cell in MANIFEST.cells if cell.model == "claude-haiku-4-5"]
TOOL_ANTHROPIC, TOOL_AZURE, VISION_ANTHROPIC, VISION_AZURE = CELLS


@dataclass(frozen=True)
class Fault:
    name: str = "tool_input_lost"
    imitates: str = "a bug"
    rows: frozenset[str] = frozenset({"tool_use"})


def observed(outcomes: dict[Cell, Outcome], fault: str | None = None) -> list[Observation]:
    return [observe(outcome, cell=cell).model_copy(update={"fault": fault}) for cell, outcome in outcomes.items()]


def result(
    under_fault: dict[Cell, Outcome], baseline: dict[Cell, Outcome] | None = None, fault: Fault | None = None
) -> FaultResult:
    """The result of one fault; without it, every cell passes but those of `baseline`."""
    fault = fault or Fault()
    plain = observed({**dict.fromkeys(CELLS, PASS), **(baseline or {})})
    return kill_table([fault], plain, observed(under_fault, fault.name)).rows[0]


def test_a_fault_that_turns_every_cell_of_its_rows_red_is_killed() -> None:
    row = result({TOOL_ANTHROPIC: FAIL, TOOL_AZURE: FAIL, VISION_AZURE: PASS})
    assert row.verdict == "killed"
    assert row.killed == (TOOL_ANTHROPIC.key, TOOL_AZURE.key)
    assert row.missed == row.collateral == row.not_exercised == ()


def test_a_cell_that_was_never_run_under_it_missed_nothing_and_proves_nothing() -> None:
    budget = Inconclusive(cause="account", error="the budget is used up")
    never = [Observation.not_run(Trial(cell, Fault().name), budget, NOON) for cell in (TOOL_ANTHROPIC, TOOL_AZURE)]
    baseline = observed(dict.fromkeys(CELLS, PASS))
    (row,) = kill_table([Fault()], baseline, never).rows
    assert (row.verdict, row.missed, row.not_exercised) == ("not_exercised", (), ("tool_use|*",))
    assert control_results([Fault()], baseline, never) == []


@pytest.mark.parametrize("outcome", [PASS, OVERLOADED, NOT_APPLICABLE])
def test_a_cell_of_its_rows_that_is_anything_but_red_makes_it_missed(outcome: Outcome) -> None:
    row = result({TOOL_ANTHROPIC: FAIL, TOOL_AZURE: outcome})
    assert (row.verdict, row.killed, row.missed) == ("missed", (TOOL_ANTHROPIC.key,), (TOOL_AZURE.key,))


def test_a_cell_that_is_red_only_sometimes_is_missed() -> None:
    fault = Fault()
    trials = observed({TOOL_AZURE: FAIL}, fault.name) + observed({TOOL_AZURE: PASS}, fault.name)
    assert kill_table([fault], observed({TOOL_AZURE: PASS}), trials).rows[0].missed == (TOOL_AZURE.key,)


@pytest.mark.parametrize("outcome", [FAIL, OVERLOADED, NOT_APPLICABLE])
def test_a_cell_that_did_not_pass_without_the_fault_proves_nothing(outcome: Outcome) -> None:
    row = result({TOOL_ANTHROPIC: FAIL, TOOL_AZURE: FAIL}, baseline={TOOL_AZURE: outcome})
    assert (row.verdict, row.killed, row.not_exercised) == ("killed", (TOOL_ANTHROPIC.key,), (TOOL_AZURE.key,))
    assert result({TOOL_AZURE: FAIL}, baseline={TOOL_AZURE: outcome}).verdict == "not_exercised"


BOTH_ROWS = Fault(rows=frozenset({"tool_use", "vision"}))


def test_a_fault_one_of_whose_rows_was_never_tried_is_not_killed() -> None:
    row = result({TOOL_AZURE: FAIL}, fault=BOTH_ROWS)
    assert (row.verdict, row.killed, row.not_exercised) == ("not_exercised", (TOOL_AZURE.key,), ("vision|*",))
    assert result({}).verdict == "not_exercised"


def test_nor_is_one_that_a_row_could_not_be_tried_under() -> None:
    red: dict[Cell, Outcome] = {VISION_ANTHROPIC: FAIL, VISION_AZURE: OVERLOADED}
    row = result({TOOL_AZURE: FAIL}, baseline=red, fault=BOTH_ROWS)
    assert (row.verdict, row.not_exercised) == ("not_exercised", ("vision|*",))


def test_a_row_that_does_not_apply_to_any_of_the_cells_owes_nothing() -> None:
    nowhere: dict[Cell, Outcome] = {VISION_ANTHROPIC: NOT_APPLICABLE, VISION_AZURE: NOT_APPLICABLE}
    row = result({TOOL_AZURE: FAIL}, baseline=nowhere, fault=BOTH_ROWS)
    assert (row.verdict, row.not_exercised) == ("killed", ())


def test_only_faults_of_the_rows_that_were_chosen_count() -> None:
    faults = [BOTH_ROWS, Fault("picture_dropped", rows=frozenset({"vision"}))]
    chosen, trials = observed({TOOL_AZURE: PASS}), observed({TOOL_AZURE: FAIL}, BOTH_ROWS.name)
    table = kill_table(faults, chosen, trials)
    assert (table.faults, table.due, table.killed, table.proven) == (2, 1, 1, True)
    assert kill_table_text(table).splitlines()[-2:] == [
        "1 fault(s) are of other rows than these",
        "1 of 1 faults killed, 0 collateral red",
    ]


def test_a_table_in_which_no_fault_was_due_proves_nothing() -> None:
    assert not kill_table([Fault()], observed({VISION_AZURE: PASS}), []).proven
    assert not kill_table([Fault()], [], []).proven


def test_a_red_of_another_row_unproves_the_table_even_under_a_fault_that_is_not_due() -> None:
    chosen, faults = observed({TOOL_AZURE: PASS}), [Fault(), Fault("other", rows=frozenset({"vision"}))]
    sound = observed({TOOL_AZURE: FAIL}, Fault().name)
    assert kill_table(faults, chosen, sound).proven
    assert not kill_table(faults, chosen, [*sound, *observed({TOOL_AZURE: FAIL}, "other")]).proven


def test_a_cell_of_another_row_that_goes_red_is_collateral() -> None:
    row = result({TOOL_AZURE: FAIL, VISION_AZURE: FAIL, VISION_ANTHROPIC: OVERLOADED})
    assert (row.verdict, row.collateral) == ("killed", (VISION_AZURE.key,))


def test_a_cell_that_was_red_before_is_no_collateral() -> None:
    assert result({TOOL_AZURE: FAIL, VISION_AZURE: FAIL}, baseline={VISION_AZURE: FAIL}).collateral == ()


def test_a_trial_that_names_no_fault_is_refused_and_one_that_does_is_no_baseline() -> None:
    with pytest.raises(ValueError, match="names no fault"):
        kill_table([Fault()], [], observed({TOOL_AZURE: FAIL}))
    under_fault = observed({TOOL_AZURE: PASS}, "another")
    row = kill_table([Fault()], under_fault, observed({TOOL_AZURE: FAIL}, Fault().name)).rows[0]
    assert row.verdict == "not_exercised"


def test_a_result_for_the_history_is_made_of_each_cell_that_must_notice_the_fault() -> None:
    fault = Fault()
    trials = observed({TOOL_ANTHROPIC: FAIL, TOOL_AZURE: PASS, VISION_AZURE: FAIL}, fault.name)
    results = control_results([fault], observed(dict.fromkeys(CELLS, PASS)), trials)
    assert [(one.cell, one.fault, one.killed, one.explanation) for one in results] == [
        (TOOL_ANTHROPIC, fault.name, True, FAIL.error),
        (TOOL_AZURE, fault.name, False, "pass"),
    ]
    assert results[0].proven_at == trials[0].observed_at


def three_faults() -> KillTable:
    faults = [Fault(), Fault("picture_dropped", "a documented rule", frozenset({"vision"})), Fault("never_run")]
    trials = [
        *observed({TOOL_AZURE: FAIL, VISION_AZURE: FAIL}, faults[0].name),
        *observed({VISION_AZURE: PASS}, faults[1].name),
    ]
    return kill_table(faults, observed(dict.fromkeys(CELLS, PASS)), trials)


def test_the_document_holds_the_totals_and_a_row_per_fault() -> None:
    document = json.loads(dump_kill_table(three_faults()))
    assert (document["faults"], document["killed"], document["collateral"]) == (3, 1, 1)
    assert [(row["fault"], row["verdict"]) for row in document["rows"]] == [
        ("tool_input_lost", "killed"),
        ("picture_dropped", "missed"),
        ("never_run", "not_exercised"),
    ]
    assert document["rows"][1] == {
        "fault": "picture_dropped",
        "imitates": "a documented rule",
        "verdict": "missed",
        "killed": [],
        "missed": [VISION_AZURE.key],
        "collateral": [],
        "not_exercised": [],
    }


def test_the_table_has_a_line_per_fault_and_names_what_needs_a_look() -> None:
    assert kill_table_text(three_faults()).splitlines() == [
        "fault            imitates           verdict        killed  missed  collateral  not exercised",
        "tool_input_lost  a bug              killed         1       0       1           0",
        "picture_dropped  a documented rule  missed         0       1       0           0",
        "never_run        a bug              not exercised  0       0       0           1",
        "missed: vision|azure/claude-haiku-4-5 under picture_dropped",
        "collateral: vision|azure/claude-haiku-4-5 under tool_input_lost",
        "not exercised: tool_use|* under never_run",
        "1 of 3 faults killed, 1 collateral red",
    ]


def test_a_table_of_no_faults_says_so() -> None:
    assert kill_table_text(kill_table([], [], [])).endswith("0 of 0 faults killed, 0 collateral red\n")


outcomes = st.fixed_dictionaries({}, optional={cell: st.sampled_from(OUTCOMES) for cell in CELLS})


@given(outcomes, outcomes)
def test_every_tried_cell_of_a_fault_is_accounted_for_once(
    baseline: dict[Cell, Outcome], under_fault: dict[Cell, Outcome]
) -> None:
    row = kill_table([Fault()], observed(baseline), observed(under_fault, Fault().name)).rows[0]
    told = [key for key in (*row.killed, *row.missed, *row.not_exercised) if not key.endswith("*")]
    assert sorted(told) == sorted(cell.key for cell in under_fault if cell.feature == "tool_use")
    assert all(Cell.parse(key).feature != "tool_use" for key in row.collateral)


def together(_: Cell, names: Sequence[str]) -> list[Sequence[str]]:
    """No fault hides another one."""
    return [names]


def test_a_fault_is_tried_on_every_cell_it_touches_and_on_no_other() -> None:
    touched = {"tool_input_lost": [TOOL_ANTHROPIC, VISION_AZURE]}
    assert plan_trials([Fault()], touched, together, in_turn=False) == [
        Trial(TOOL_ANTHROPIC, "tool_input_lost"),
        Trial(VISION_AZURE, "tool_input_lost"),
    ]


def test_in_turn_every_pair_of_fault_and_row_is_tried_once_and_no_target_is_left_out() -> None:
    faults = [Fault(name=name) for name in ("one", "two")]
    plan = plan_trials(faults, dict.fromkeys(("one", "two"), CELLS), together, in_turn=True)
    assert sorted((name, trial.cell.feature) for trial in plan for name in trial.faults) == sorted(
        (fault.name, row) for fault in faults for row in ("tool_use", "vision")
    )
    assert {trial.cell for trial in plan if trial.cell.feature == "tool_use"} == {TOOL_ANTHROPIC, TOOL_AZURE}


@pytest.mark.parametrize("in_turn", [False, True])
def test_a_cell_is_tried_at_once_under_all_that_it_must_not_notice(in_turn: bool) -> None:
    faults = [Fault("one"), Fault("two"), Fault("three", rows=frozenset({"vision"}))]
    plan = plan_trials(faults, {one.name: [TOOL_AZURE, VISION_AZURE] for one in faults}, together, in_turn=in_turn)
    assert set(plan) == {
        Trial(TOOL_AZURE, "one"),
        Trial(TOOL_AZURE, "two"),
        Trial(VISION_AZURE, "three"),
        Trial(VISION_AZURE, "one+two"),
        Trial(TOOL_AZURE, "three"),
    }


def test_faults_of_which_one_hides_another_are_tried_apart() -> None:
    faults = [Fault(name) for name in ("one", "two", "three")]
    touched = {one.name: [VISION_AZURE] for one in faults}
    plan = plan_trials(faults, touched, lambda _, names: [names[::2], names[1::2]], in_turn=False)
    assert plan == [Trial(VISION_AZURE, "one+three"), Trial(VISION_AZURE, "two")]


def test_a_cell_that_passes_under_several_at_once_passes_under_each() -> None:
    rows = kill_table(
        [Fault(), Fault("another")],
        observed(dict.fromkeys(CELLS, PASS)),
        [*observed({TOOL_AZURE: FAIL}, Fault().name), *observed({VISION_AZURE: PASS}, f"{Fault().name}+another")],
    ).rows
    assert [(row.verdict, row.collateral) for row in rows] == [("killed", ()), ("not_exercised", ())]


@pytest.mark.parametrize("outcome", [FAIL, OVERLOADED])
def test_which_of_several_faults_it_was_is_told_by_halves(outcome: Outcome) -> None:
    passed, joint = observed({TOOL_AZURE: PASS}, "one+two"), observed({VISION_AZURE: outcome}, "one+two+three")
    again = told_apart([*passed, *joint, *observed({VISION_ANTHROPIC: FAIL}, "one")])
    assert again == [Trial(VISION_AZURE, "one"), Trial(VISION_AZURE, "two+three")]
    never = Observation.not_run(Trial(VISION_AZURE, "one+two"), OVERLOADED, NOON)
    assert told_apart([never]) == []
    alone = [*observed({VISION_AZURE: FAIL}, "one"), *observed({VISION_AZURE: PASS}, "two+three")]
    assert told_apart(alone) == []
    faults, baseline = [Fault(name) for name in ("one", "two", "three")], observed(dict.fromkeys(CELLS, PASS))
    table = kill_table(faults, baseline, [*passed, *joint, *alone])
    assert [row.collateral for row in table.rows] == [(VISION_AZURE.key,), (), ()]
