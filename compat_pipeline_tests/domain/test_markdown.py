"""The Markdown face of the matrix: readable, and proof against what an error text may contain."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.diff import Change
from compat_pipeline.domain.markdown import changes_markdown, matrix_markdown
from compat_pipeline.domain.observation import Fail
from compat_pipeline_tests.domain.samples import (
    FAIL,
    MANIFEST,
    NOT_APPLICABLE,
    OVERLOADED,
    everything,
    matrix_of,
    verdict_of,
    with_cells,
)

GOLDEN = Path(__file__).parent / "golden" / "matrix.md"


def test_the_text_is_that_of_the_golden_file() -> None:
    matrix = matrix_of(
        with_cells({"tool_use/anthropic": FAIL, "tool_use/azure": NOT_APPLICABLE, "vision/azure": OVERLOADED})
    )
    assert matrix_markdown(matrix) == GOLDEN.read_text(encoding="utf-8")


def test_changes_are_listed_with_both_statuses() -> None:
    changed = [
        Change("tool_use", "azure", "pass", "fail"),
        Change("vision", "azure", None, "pass"),
        Change("pdf", "azure", "fail", None),
    ]
    assert changes_markdown(changed).splitlines() == [
        "- tool\\_use on azure: ✅ pass → ❌ fail",
        "- vision on azure: added → ✅ pass",
        "- pdf on azure: ❌ fail → removed",
    ]


def test_no_changes_are_said_in_words() -> None:
    assert changes_markdown([]) == "Nothing changed.\n"


def test_a_green_matrix_needs_no_reasons() -> None:
    assert "- " not in matrix_markdown(matrix_of(everything())).replace("| --- ", "")


def test_an_error_cannot_break_out_of_its_line_or_become_markup() -> None:
    error = "first|line\n| broken | <script>alert(1)</script> `code` [link](http://x) **bold** # & \\"
    text = matrix_markdown(matrix_of(with_cells({"vision/azure": Fail(error=error)})))
    line = next(line for line in text.splitlines() if "first" in line)
    assert "alert" in line
    assert "<script>" not in text
    for sign in ("\\|", "\\`code\\`", "\\[link\\]\\(", "\\*\\*bold", "&amp;", "\\\\"):
        assert sign in line


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_the_table_keeps_its_shape_whatever_the_error_says(error: str) -> None:
    verdicts = everything() | {Cell("vision", "azure", "claude-opus-4-7"): verdict_of(Fail(error=error))}
    lines = matrix_markdown(matrix_of(verdicts)).splitlines()
    table = [line for line in lines if line.startswith("| ")]
    assert len(table) == len(MANIFEST.features) + 2
    assert sum(line.startswith("- ") for line in lines) == 1
