"""The details document keeps what the locked one has no room for, and its bytes are golden too."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from compat_pipeline.domain.acknowledged import Acknowledgement
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.details import CompatibilityDetails, build_details, dump_details
from compat_pipeline.domain.verdict import Verdict, judge
from compat_pipeline_tests.domain.samples import (
    FAIL,
    MANIFEST,
    NOON,
    NOT_APPLICABLE,
    OVERLOADED,
    PASS,
    everything,
    observe,
    verdict_of,
)

GOLDEN = Path(__file__).parent / "golden" / "compatibility-details.json"
HAIKU, OPUS = "claude-haiku-4-5", "claude-opus-4-7"


ACKNOWLEDGED = [
    Acknowledgement(
        cell="tool_use|anthropic/*",
        owner="ana",
        issue="https://example.test/issues/7",
        expires=NOON.date(),
        reason="the input of a tool is lost",
    )
]


def details_of(verdicts: dict[Cell, Verdict], generated_at: datetime = NOON) -> CompatibilityDetails:
    return build_details(
        MANIFEST,
        verdicts,
        upstream="emulated",
        litellm_version="v1.83.0-stable",
        claude_code_version="2.1.120",
        suite_revision="4f2a91c",
        generated_at=generated_at,
        acknowledged=ACKNOWLEDGED,
        last_proven={Cell("tool_use", "anthropic", OPUS): NOON - timedelta(days=1)},
        withheld={("vision", "anthropic"): "row vision: all 2 cells that had not failed before broke at once"},
    )


def test_the_bytes_are_those_of_the_golden_file() -> None:
    verdicts = {
        Cell("tool_use", "anthropic", HAIKU): judge([observe(FAIL, 0), observe(PASS, 1, attempts=2)]),
        Cell("tool_use", "anthropic", OPUS): judge(
            [
                observe(FAIL, 0).model_copy(update={"evidence": "a" * 64, "findings": ("sent twice",)}),
                observe(OVERLOADED, 1).model_copy(update={"evidence": "b" * 64}),
            ]
        ),
        Cell("tool_use", "azure", HAIKU): verdict_of(NOT_APPLICABLE),
        Cell("tool_use", "azure", OPUS): verdict_of(OVERLOADED),
        Cell("vision", "anthropic", HAIKU): judge([observe(PASS, 0), observe(OVERLOADED, 1)]),
    }
    assert dump_details(details_of(verdicts)).encode() == GOLDEN.read_bytes()


def test_the_golden_document_is_read_back_unchanged() -> None:
    document = GOLDEN.read_text(encoding="utf-8")
    assert dump_details(CompatibilityDetails.model_validate_json(document)) == document


def test_an_older_verdict_stands_while_the_latest_observation_leaves_the_cell_open() -> None:
    details = details_of({MANIFEST.cells[0]: judge([observe(PASS, 0), observe(OVERLOADED, 1)])})
    assert (details.counts.planned, details.counts.observed, details.counts.inconclusive) == (8, 1, 1)
    assert details.cells[0].status == "pass"
    assert str(details.cells[0].open).startswith("provider: ")


def test_only_a_cell_that_fails_is_known_and_only_up_to_the_last_day() -> None:
    red, green = Cell("tool_use", "anthropic", OPUS), Cell("tool_use", "anthropic", HAIKU)
    verdicts = {red: verdict_of(FAIL), green: verdict_of(PASS)}
    by_cell = {(cell.feature, cell.provider, cell.model): cell for cell in details_of(verdicts).cells}
    assert by_cell[red].known_issue is not None
    assert by_cell[green].known_issue is None
    later = details_of(verdicts, NOON + timedelta(days=1))
    assert not any(cell.known_issue for cell in later.cells)


def test_what_is_withheld_is_told_for_every_model_of_the_published_cell() -> None:
    told = [(cell.feature, cell.provider) for cell in details_of(everything()).cells if cell.withheld]
    assert told == [("vision", "anthropic")] * 2


def test_every_planned_cell_is_listed_in_manifest_order() -> None:
    listed = [Cell(cell.feature, cell.provider, cell.model) for cell in details_of(everything()).cells]
    assert listed == MANIFEST.cells
