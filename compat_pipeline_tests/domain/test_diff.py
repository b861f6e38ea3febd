"""What changed between two matrices, and whether the newer one is worth a commit."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat_pipeline.domain.diff import Anomaly, Change, anomalies, by_kind, changes, due, regressions
from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.matrix import CompatibilityMatrix, MatrixCell, MatrixStatus, build_matrix, dump_matrix
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
    with_cells,
)

GREEN = matrix_of(everything())
OUTCOMES: list[Outcome] = [PASS, FAIL, NOT_APPLICABLE, OVERLOADED]
matrices: st.SearchStrategy[CompatibilityMatrix] = st.fixed_dictionaries(
    {
        f"{row}/{column}": st.sampled_from(OUTCOMES)
        for row in ("tool_use", "vision")
        for column in ("anthropic", "azure")
    }
).map(lambda cells: matrix_of(with_cells(cells)))


def smaller_matrix(features: int = 2, providers: int = 2) -> CompatibilityMatrix:
    """Only the first rows and columns of GREEN."""
    smaller = Manifest(
        features=MANIFEST.features[:features], providers=MANIFEST.providers[:providers], models=MANIFEST.models
    )
    return build_matrix(
        smaller, everything(), litellm_version="v1.83.0-stable", claude_code_version="2.1.120", generated_at=NOON
    )


def test_a_changed_cell_is_named_with_both_statuses() -> None:
    after = matrix_of(with_cells({"vision/azure": FAIL}))
    assert changes(GREEN, after) == [Change("vision", "azure", "pass", "fail")]


def test_another_error_for_the_same_status_is_no_change() -> None:
    before, after = (matrix_of(with_cells({"vision/azure": Fail(error=error)})) for error in ("a", "b"))
    assert changes(before, after) == []


def test_a_first_matrix_has_no_changes() -> None:
    assert not changes(None, GREEN)
    assert not regressions(None, GREEN)
    assert not anomalies(None, GREEN)


def test_added_and_removed_cells_are_told_apart_from_changed_ones() -> None:
    smaller = smaller_matrix(providers=1)
    assert changes(smaller, GREEN) == [
        Change("tool_use", "azure", None, "pass"),
        Change("vision", "azure", None, "pass"),
    ]
    assert [str(change) for change in changes(GREEN, smaller)] == [
        "tool_use on azure: pass -> removed",
        "vision on azure: pass -> removed",
    ]


def test_only_a_cell_that_passed_and_now_fails_is_a_regression() -> None:
    after = matrix_of(with_cells({"vision/azure": FAIL, "tool_use/azure": OVERLOADED}))
    assert regressions(GREEN, after) == [Change("vision", "azure", "pass", "fail")]
    assert regressions(after, GREEN) == []


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("pass", "fail", "broken"),
        ("fail", "pass", "fixed"),
        ("not_tested", "fail", "changed"),
        ("pass", "not_tested", "changed"),
        (None, "fail", "added"),
        ("pass", None, "removed"),
    ],
)
def test_a_change_is_of_one_kind(before: MatrixStatus | None, after: MatrixStatus | None, kind: str) -> None:
    change = Change("vision", "azure", before, after)
    assert [name for name, found in by_kind([change]).items() if found] == [kind]


def test_a_column_that_broke_as_a_whole_is_an_anomaly() -> None:
    after = matrix_of(with_cells({"tool_use/azure": FAIL, "vision/azure": OVERLOADED}))
    found = anomalies(GREEN, after)
    assert found == [Anomaly("column", "azure", (("tool_use", "azure"), ("vision", "azure")))]
    assert str(found[0]) == "column azure: all 2 cells that had not failed before broke at once"


def test_a_row_that_broke_as_a_whole_is_an_anomaly() -> None:
    after = matrix_of(with_cells({"vision/anthropic": FAIL, "vision/azure": FAIL}))
    assert anomalies(GREEN, after) == [Anomaly("row", "vision", (("vision", "anthropic"), ("vision", "azure")))]


def test_one_broken_cell_is_a_finding_and_no_anomaly() -> None:
    before = matrix_of(with_cells({"tool_use/azure": FAIL}))
    assert anomalies(GREEN, matrix_of(with_cells({"vision/azure": FAIL}))) == []
    assert anomalies(before, matrix_of(with_cells({"tool_use/azure": FAIL, "vision/azure": FAIL}))) == []


def test_an_anomaly_that_was_published_as_not_tested_is_still_one() -> None:
    broken = matrix_of(with_cells({"tool_use/azure": FAIL, "vision/azure": FAIL}))
    withheld = matrix_of(with_cells({"tool_use/azure": OVERLOADED, "vision/azure": OVERLOADED}))
    assert anomalies(withheld, broken) == anomalies(GREEN, broken)


def test_cells_that_are_tested_for_the_first_time_are_none_while_one_of_them_passes() -> None:
    before = matrix_of(with_cells({"tool_use/azure": OVERLOADED, "vision/azure": OVERLOADED}))
    assert anomalies(before, matrix_of(with_cells({"vision/azure": FAIL}))) == []


def test_a_removed_column_or_row_is_no_anomaly() -> None:
    assert anomalies(GREEN, smaller_matrix(providers=1)) == []
    assert anomalies(GREEN, smaller_matrix(features=1)) == []


@given(matrices)
def test_a_matrix_has_neither_changes_nor_anomalies_against_itself(matrix: CompatibilityMatrix) -> None:
    assert not changes(matrix, matrix)
    assert not anomalies(matrix, matrix)
    assert not due(dump_matrix(matrix), dump_matrix(matrix)).now


@given(matrices, matrices)
def test_applying_the_changes_to_the_old_statuses_gives_the_new_ones(
    before: CompatibilityMatrix, after: CompatibilityMatrix
) -> None:
    def statuses(cells: dict[tuple[str, str], MatrixCell]) -> dict[tuple[str, str], str | None]:
        return {where: cell.status for where, cell in cells.items()}

    applied = statuses(before.cells)
    applied.update({(change.feature, change.provider): change.after for change in changes(before, after)})
    assert applied == statuses(after.cells)


@given(matrices, matrices)
def test_a_publication_is_due_exactly_when_something_but_the_time_differs(
    before: CompatibilityMatrix, after: CompatibilityMatrix
) -> None:
    later = after.model_copy(update={"generated_at": NOON + timedelta(hours=23)})
    assert due(dump_matrix(before), dump_matrix(later)).now == (before != after)


def test_the_first_publication_is_due() -> None:
    assert due(None, dump_matrix(GREEN)) == (True, "first publication")


def at(hours: float, matrix: CompatibilityMatrix = GREEN) -> str:
    """`matrix` as made `hours` after the published one."""
    return dump_matrix(matrix.model_copy(update={"generated_at": NOON + timedelta(hours=hours)}))


def test_another_time_alone_is_due_once_a_day() -> None:
    assert due(at(0), at(23.9)) == (False, "nothing changed but the time")
    assert due(at(0), at(24)) == (True, "the published document is 24 h old")
    assert due(at(0), at(3), refresh=timedelta(hours=2)).now


def test_a_slower_run_does_not_put_its_older_matrix_over_a_newer_one() -> None:
    red = matrix_of(everything(FAIL))
    assert due(at(2, red), at(1)) == (False, "a newer matrix, of 2026-01-31 14:00:00 UTC, is already published")
    assert due(at(1, red), at(1)).now


def test_a_published_document_from_far_ahead_is_the_work_of_a_wrong_clock_and_replaced() -> None:
    assert due(at(48), at(0)) == (True, "the published document is 48 h ahead of time")
    assert due(at(48, matrix_of(everything(FAIL))), at(0)).now


def test_other_versions_are_due_even_with_the_same_results() -> None:
    newer = matrix_of(everything(), litellm_version="v1.84.0-stable")
    assert due(dump_matrix(GREEN), dump_matrix(newer)) == (True, "LiteLLM v1.83.0-stable -> v1.84.0-stable")


def test_changed_cells_are_due_and_named() -> None:
    after = dump_matrix(matrix_of(with_cells({"vision/azure": FAIL})))
    assert due(dump_matrix(GREEN), after) == (True, "1 cell changed (vision on azure: pass -> fail)")


def test_many_changed_cells_are_counted_and_the_first_named() -> None:
    reason = due(dump_matrix(GREEN), dump_matrix(matrix_of(everything(FAIL)))).reason
    assert reason.startswith("4 cells changed (tool_use on anthropic: pass -> fail, ")
    assert reason.endswith(", ...)")


def test_a_changed_explanation_is_due() -> None:
    before, after = (dump_matrix(matrix_of(with_cells({"vision/azure": Fail(error=why)}))) for why in ("a", "b"))
    assert due(before, after) == (True, "names, order or explanations changed")


def test_a_published_document_that_is_blank_or_was_damaged_is_replaced() -> None:
    edited = json.dumps({**json.loads(dump_matrix(GREEN)), "note": "by hand"})
    for published in ("", "{}\n", dump_matrix(GREEN)[:-20], edited):
        assert due(published, dump_matrix(GREEN)) == (True, "the published document is blank or damaged")


@pytest.mark.parametrize(
    "published",
    [
        "not json",
        '{"name": "docs"}',
        '{"schema_version": "2", "cells": []}',
        '{"schema_version": "1", "dashboards": [1, 2]}',
        '{"title": "x", "meta": {"schema_version": "1"}}',
    ],
)
def test_what_is_no_matrix_of_this_schema_is_somebody_elses_and_stays(published: str) -> None:
    with pytest.raises(ValueError, match="what is published there is no matrix of schema 1"):
        due(published, dump_matrix(GREEN))


def test_an_invalid_document_is_never_due() -> None:
    with pytest.raises(ValueError, match="not a compatibility matrix"):
        due(None, "{}")
