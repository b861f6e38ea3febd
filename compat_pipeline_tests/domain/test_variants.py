"""A variant differs where a cell's verdict does; what could not be judged is no difference."""

from __future__ import annotations

import json

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Fail, Outcome
from compat_pipeline.domain.variants import Comparison, compare, comparison_text, dump_comparison
from compat_pipeline_tests.domain.samples import FAIL, MANIFEST, NOT_APPLICABLE, OVERLOADED, PASS, observe

TOOL, OTHER = MANIFEST.cells[:2]


def compared(default: dict[Cell, Outcome], changed: dict[Cell, Outcome]) -> Comparison:
    before, after = ([observe(outcome, cell=cell) for cell, outcome in side.items()] for side in (default, changed))
    return compare({"default": before, "drop_params": after})


def test_cells_that_are_equally_good_are_no_difference() -> None:
    comparison = compared({TOOL: PASS, OTHER: NOT_APPLICABLE}, {TOOL: PASS, OTHER: NOT_APPLICABLE})
    assert comparison == Comparison(cells=2, variants=("drop_params",), differences=(), unjudged=())
    assert comparison_text(comparison) == "drop_params: no difference\n"


def test_a_red_that_is_worded_otherwise_is_no_difference() -> None:
    assert compared({TOOL: FAIL}, {TOOL: Fail(error="nonce-1 was lost")}).differences == ()


def test_a_cell_that_breaks_or_heals_is_told_with_the_reason_of_its_red_side() -> None:
    comparison = compared({TOOL: PASS, OTHER: FAIL}, {TOOL: FAIL, OTHER: PASS})
    assert [(one.cell, one.default.status, one.changed.status) for one in comparison.differences] == [
        (TOOL.key, "pass", "fail"),
        (OTHER.key, "fail", "pass"),
    ]
    assert comparison_text(comparison) == (
        "drop_params: 2 of 2 cells differ\n"
        f"  {TOOL.key}  pass -> fail\n    {FAIL.error}\n"
        f"  {OTHER.key}  fail -> pass\n    {FAIL.error}\n"
    )


def test_what_could_not_be_judged_under_either_is_listed_and_no_difference() -> None:
    comparison = compared({TOOL: OVERLOADED, OTHER: PASS}, {TOOL: PASS, OTHER: OVERLOADED})
    assert comparison.differences == ()
    assert [(one.variant, one.cell) for one in comparison.unjudged] == [
        ("default", TOOL.key),
        ("drop_params", OTHER.key),
    ]
    assert f"could not be judged under default: {TOOL.key}: provider: 529 Overloaded" in comparison_text(comparison)


def test_a_cell_that_a_variant_never_reached_is_unjudged() -> None:
    assert [(one.variant, one.why) for one in compared({TOOL: PASS}, {}).unjudged] == [
        ("drop_params", "it was never observed")
    ]


def test_each_variant_is_held_against_the_default() -> None:
    seen = {name: [observe(outcome)] for name, outcome in (("default", PASS), ("drop_params", PASS))}
    comparison = compare({**seen, "forward_client_headers": [observe(FAIL)]})  # type: ignore[dict-item]
    assert comparison.variants == ("drop_params", "forward_client_headers")
    assert [one.variant for one in comparison.differences] == ["forward_client_headers"]


def test_the_document_is_readable_json() -> None:
    text = dump_comparison(compared({TOOL: PASS}, {TOOL: FAIL}))
    assert text.endswith("}\n")
    assert json.loads(text)["differences"][0] == {
        "cell": TOOL.key,
        "variant": "drop_params",
        "default": {"status": "pass", "explanation": ""},
        "changed": {"status": "fail", "explanation": FAIL.error},
    }
