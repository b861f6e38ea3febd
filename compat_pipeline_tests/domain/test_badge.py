"""The badge of a provider: its words, and a colour that says the same."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from compat_pipeline.domain.badge import badge_svg
from compat_pipeline.domain.observation import Outcome
from compat_pipeline_tests.domain.samples import FAIL, NOT_APPLICABLE, OVERLOADED, everything, matrix_of, with_cells

SVG = "{http://www.w3.org/2000/svg}"
GREEN = badge_svg(matrix_of(everything()), "azure", "Azure")
ROWS = len(matrix_of(everything()).features)


def told(svg: str) -> str:
    """What it says, to the eye and to a screen reader."""
    picture = ElementTree.fromstring(svg)
    label, count = (one.text or "" for one in picture.iter(f"{SVG}text"))
    assert (picture.get("aria-label") or "").endswith(f": {count}")
    return f"{label}: {count}"


def colour(svg: str) -> str:
    return [one.get("fill") or "" for one in ElementTree.fromstring(svg).iter(f"{SVG}rect")][-1]


def test_it_counts_what_passes() -> None:
    assert told(GREEN) == f"Claude Code on Azure: {ROWS}/{ROWS} pass"


@pytest.mark.parametrize(
    ("outcome", "count"), [(FAIL, f"{ROWS - 1}/{ROWS} pass"), (NOT_APPLICABLE, f"{ROWS - 1}/{ROWS - 1} pass"),
                           (OVERLOADED, f"{ROWS - 1}/{ROWS - 1} pass")],
)  # fmt: skip
def test_only_what_applies_and_was_tested_is_counted(outcome: Outcome, count: str) -> None:
    svg = badge_svg(matrix_of(with_cells({"vision/azure": outcome})), "azure", "Azure")
    assert told(svg) == f"Claude Code on Azure: {count}"
    assert (colour(svg) == colour(GREEN)) == (outcome is not FAIL)


def test_a_provider_on_which_nothing_was_tested_is_neither_good_nor_bad() -> None:
    nothing = badge_svg(matrix_of({}), "azure", "Azure")
    assert told(nothing) == "Claude Code on Azure: not tested"
    red = badge_svg(matrix_of(with_cells({"vision/azure": FAIL})), "azure", "Azure")
    assert len({colour(GREEN), colour(red), colour(nothing)}) == 3


def test_markup_in_a_version_stays_text() -> None:
    matrix = matrix_of(everything()).model_copy(update={"litellm_version": '"><script>'})
    assert '"><script>' in (ElementTree.fromstring(badge_svg(matrix, "azure", "Azure")).get("aria-label") or "")
