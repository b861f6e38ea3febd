"""What is withheld keeps what is published for the same versions; everything else goes out."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.diff import anomalies
from compat_pipeline.domain.matrix import CompatibilityMatrix, Untested, dump_matrix, parse_matrix
from compat_pipeline.domain.observation import Inconclusive, Outcome
from compat_pipeline.domain.publication import publishable, withheld
from compat_pipeline.domain.verdict import judge
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
    with_cells,
)

BROKEN_TEST = Inconclusive(cause="harness", error="the test broke")
GREEN = matrix_of(everything())
AZURE = {"tool_use/azure": FAIL, "vision/azure": FAIL}
ON_AZURE = [("tool_use", "azure"), ("vision", "azure")]
PLACES = list(GREEN.cells)
OUTCOMES: list[Outcome] = [PASS, FAIL, NOT_APPLICABLE, OVERLOADED]
matrices: st.SearchStrategy[CompatibilityMatrix] = st.fixed_dictionaries(
    {"/".join(place): st.sampled_from(OUTCOMES) for place in PLACES}
).map(lambda cells: matrix_of(with_cells(cells)))


def test_what_cannot_be_classified_holds_back_its_own_cell_with_its_reason() -> None:
    cell = Cell("vision", "azure", "claude-opus-4-7")
    verdicts = {**everything(), cell: judge([observe(PASS, 0, cell), observe(BROKEN_TEST, 1, cell)])}
    assert withheld(verdicts) == {("vision", "azure"): "claude-opus-4-7: harness: the test broke"}


def test_an_inconclusive_cell_of_any_other_cause_holds_back_nothing() -> None:
    assert withheld(with_cells({"vision/azure": OVERLOADED})) == {}


def test_a_column_that_flipped_at_once_is_held_back_and_no_other_cell() -> None:
    verdicts = with_cells({**AZURE, "vision/anthropic": FAIL, "tool_use/anthropic": PASS})
    found = anomalies(matrix_of(with_cells({"vision/anthropic": FAIL})), matrix_of(verdicts))
    reason = "column azure: all 2 cells that had not failed before broke at once"
    assert withheld(verdicts, found) == dict.fromkeys(ON_AZURE, reason)


def test_a_flip_whose_reds_are_acknowledged_is_published() -> None:
    verdicts = with_cells(AZURE)
    found = anomalies(GREEN, matrix_of(verdicts))
    on_azure = [cell for cell in MANIFEST.cells if cell.provider == "azure"]
    assert withheld(verdicts, found, known=on_azure) == {}
    assert list(withheld(verdicts, found, known=on_azure[:-1])) == [("vision", "azure")]


def test_an_outage_cannot_be_acknowledged_away() -> None:
    verdicts = with_cells(dict.fromkeys(AZURE, OVERLOADED))
    found = anomalies(GREEN, matrix_of(verdicts))
    assert list(withheld(verdicts, found, known=MANIFEST.cells)) == ON_AZURE


def test_a_withheld_cell_stays_as_it_is_published_and_the_rest_goes_out() -> None:
    fresh = matrix_of(with_cells({**AZURE, "vision/anthropic": FAIL}))
    out = publishable(fresh, GREEN, ON_AZURE)
    assert out == matrix_of(with_cells({"vision/anthropic": FAIL}))


def test_a_withheld_cell_that_was_never_published_is_not_tested() -> None:
    assert publishable(GREEN, None, [("vision", "azure")]).cells["vision", "azure"] == Untested()


def test_what_passed_with_other_versions_does_not_stand_for_these() -> None:
    newer = matrix_of(with_cells(AZURE), litellm_version="v1.84.0-stable")
    out = publishable(newer, GREEN, ON_AZURE)
    assert [out.cells[place] for place in ON_AZURE] == [Untested(), Untested()]


@given(matrices, st.none() | matrices)
def test_with_nothing_withheld_the_fresh_matrix_goes_out_as_it_is(
    fresh: CompatibilityMatrix, published: CompatibilityMatrix | None
) -> None:
    assert publishable(fresh, published, ()) == fresh


@given(matrices, matrices, st.sets(st.sampled_from(PLACES)))
def test_each_cell_is_the_fresh_or_the_published_one_and_the_document_is_valid(
    fresh: CompatibilityMatrix, published: CompatibilityMatrix, held_back: set[tuple[str, str]]
) -> None:
    fresh = fresh.model_copy(update={"generated_at": NOON + timedelta(days=1)})
    out = publishable(fresh, published, held_back)
    assert parse_matrix(dump_matrix(out)) == out
    assert out.generated_at == fresh.generated_at
    assert out.cells == {place: (published if place in held_back else fresh).cells[place] for place in PLACES}
