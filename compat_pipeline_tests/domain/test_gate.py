"""When a change of LiteLLM may be merged."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.gate import Baseline, GateReport, Subject, build_report
from compat_pipeline.domain.observation import Fail, Outcome
from compat_pipeline_tests.domain.samples import (
    FAIL,
    MANIFEST,
    NOON,
    NOT_APPLICABLE,
    OVERLOADED,
    PASS,
    everything,
    matrix_of,
    observe,
    verdict_of,
    with_cells,
)

HAIKU, OPUS = Cell("tool_use", "azure", "claude-haiku-4-5"), Cell("tool_use", "azure", "claude-opus-4-7")
GREEN = Baseline("main", matrix_of(everything()))


def report(
    outcomes: Mapping[Cell, Outcome | None],
    baseline: Baseline | None = GREEN,
    planned: list[Cell] = MANIFEST.cells,
    fault: str | None = None,
) -> GateReport:
    """Every planned cell passes but for `outcomes`; None: nothing was observed of it."""
    seen = {cell: outcomes.get(cell, PASS) for cell in planned}
    return build_report(
        MANIFEST,
        planned,
        [observe(outcome, cell=cell) for cell, outcome in seen.items() if outcome is not None],
        baseline=baseline,
        litellm=Subject("path:litellm", "v1.106.2"),
        claude_code=Subject("2.1.329", "2.1.329"),
        upstream="emulated",
        generated_at=NOON,
        fault=fault,
    )


def test_all_green_is_clean_with_and_without_a_baseline() -> None:
    assert (report({}).outcome, report({}, None).outcome) == ("clean", "clean")


def test_what_does_not_apply_is_judged() -> None:
    assert report({HAIKU: NOT_APPLICABLE}).outcome == "clean"


def test_a_cell_that_passed_and_fails_is_a_regression() -> None:
    found = report({HAIKU: FAIL})
    assert found.outcome == "regression"
    assert [cell.key for cell in found.of("regression")] == [HAIKU.key]
    assert [str(change) for change in found.changed] == ["tool_use on azure: pass -> fail"]


def test_without_a_baseline_any_red_is_one() -> None:
    assert report({HAIKU: FAIL}, None).outcome == "regression"


def red_before(*cells: Cell) -> Baseline:
    known = everything() | {cell: verdict_of(Fail(error="lost; as ever")) for cell in cells}
    return Baseline("main", matrix_of(known))


def test_a_cell_that_was_red_before_holds_up_nobody() -> None:
    found = report({HAIKU: FAIL}, red_before(HAIKU))
    assert found.outcome == "clean"
    assert [cell.key for cell in found.of("known_red")] == [HAIKU.key]


def test_a_further_model_that_breaks_where_another_was_red_is_a_regression() -> None:
    found = report({HAIKU: FAIL, OPUS: FAIL}, red_before(OPUS))
    assert [cell.key for cell in found.of("regression")] == [HAIKU.key]


@pytest.mark.parametrize("before", [NOT_APPLICABLE, OVERLOADED])
def test_a_red_where_nothing_passed_before_is_no_regression(before: Outcome) -> None:
    baseline = Baseline("main", matrix_of(with_cells({"tool_use/azure": before})))
    found = report({HAIKU: FAIL}, baseline)
    assert found.outcome == "clean"
    assert [cell.key for cell in found.of("new_red")] == [HAIKU.key]


OLDER = Baseline("main", GREEN.matrix.model_copy(update={"features": GREEN.matrix.features[1:]}))
"""Without the row `tool_use`."""


def test_a_red_in_a_row_that_the_baseline_does_not_have_is_neither_a_regression_nor_known() -> None:
    found = report({HAIKU: FAIL}, OLDER)
    assert found.outcome == "clean"
    assert [cell.key for cell in found.of("new_red")] == [HAIKU.key]
    assert "1 new red" in found.headline


def test_a_baseline_tells_nothing_of_cells_that_it_lacks_or_never_tested() -> None:
    untested = Baseline("main", matrix_of(with_cells({"tool_use/azure": OVERLOADED})))
    assert [one.tells_of([HAIKU, OPUS]) for one in (GREEN, OLDER, untested)] == [True, False, False]
    assert OLDER.tells_of(MANIFEST.cells)


@pytest.mark.parametrize("outcome", [OVERLOADED, None])
def test_a_cell_that_could_not_be_judged_is_not_clean(outcome: Outcome | None) -> None:
    found = report({HAIKU: outcome})
    assert found.outcome == "could_not_judge"
    assert [cell.key for cell in found.of("unjudged")] == [HAIKU.key]


def test_a_regression_is_one_whatever_else_could_not_be_judged() -> None:
    assert report({HAIKU: OVERLOADED, OPUS: FAIL}).outcome == "regression"


def test_code_that_does_not_install_leaves_every_cell_unjudged_with_the_reason() -> None:
    found = report(dict.fromkeys(MANIFEST.cells), fault="it does not install")
    assert found.outcome == "could_not_judge"
    assert {cell.told for cell in found.cells} == {"never ran: it does not install"}


def test_a_fault_after_the_last_cell_is_not_clean() -> None:
    assert report({}, fault="the disk is full").outcome == "could_not_judge"


def test_nothing_planned_is_not_clean() -> None:
    assert report({}, planned=[]).outcome == "could_not_judge"


def test_a_chosen_set_is_held_against_its_own_places_only() -> None:
    found = report({}, planned=[HAIKU])
    assert found.outcome == "clean"
    assert (found.matrix.providers, [row.id for row in found.matrix.features]) == (("azure",), ["tool_use"])
    assert found.changed == ()


def test_it_is_read_back_as_it_was_written() -> None:
    found = report({HAIKU: FAIL, OPUS: OVERLOADED})
    assert GateReport.model_validate_json(found.model_dump_json()) == found
