"""An acknowledgement holds for the red it names, until its day; anything else about it is told precisely."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

import compat_pipeline
from compat_pipeline.domain.acknowledged import (
    AcknowledgedError,
    Acknowledgement,
    check_acknowledgements,
    known_issue_of,
    parse_acknowledged,
)
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.verdict import Verdict, judge
from compat_pipeline_tests.domain.samples import (
    FAIL,
    MANIFEST,
    NOON,
    OVERLOADED,
    PASS,
    everything,
    observe,
    verdict_of,
    with_cells,
)

TODAY = NOON.date()
ON_AZURE = Cell("vision", "azure", "claude-haiku-4-5")
RED_ON_AZURE = with_cells({"vision/azure": FAIL})

GOOD = """
- cell: vision|azure/*
  owner: ana
  issue: https://example.test/issues/7
  expires: 2026-02-28
  reason: pictures are dropped
"""


def entry(cell: str = "vision|azure/*", owner: str = "ana", expires: date = TODAY) -> Acknowledgement:
    return Acknowledgement(
        cell=cell, owner=owner, issue="https://example.test/issues/7", expires=expires, reason="pictures are dropped"
    )


def check(*entries: Acknowledgement) -> list[str]:
    return check_acknowledgements(entries, MANIFEST.cells, RED_ON_AZURE, TODAY)


def test_an_entry_is_read_with_all_its_fields() -> None:
    assert parse_acknowledged(GOOD) == (entry(expires=date(2026, 2, 28)),)


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]"])
def test_a_list_without_entries_is_empty(text: str) -> None:
    assert parse_acknowledged(text) == ()


def test_the_packaged_list_can_be_used() -> None:
    parse_acknowledged((Path(compat_pipeline.__file__).parent / "acknowledged.yaml").read_text())


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("  owner: ana\n", "", r"entry 1 \(vision\|azure/\*\), owner: Field required"),
        ("ana", "' '", r"entry 1 .*, owner: "),
        ("vision|azure/*", "vision", r"entry 1 \(vision\), cell: "),
        ("https://example.test/issues/7", "somewhere", r"entry 1 .*, issue: "),
        ("2026-02-28", "soon", r"entry 1 .*, expires: "),
        ("2026-02-28", "20260228", r"entry 1 .*, expires: "),
        ("2026-02-28", "2026-02-30", "is not YAML: .*day"),
        ("2026-02-28", "!!timestamp soon", "is not YAML: "),
        ("  reason:", "  why:", r"entry 1 .*, why: Extra inputs"),
        (GOOD, "vision|azure/*: ana", "must be a list of acknowledgements"),
        ("- cell:", "- [cell", "is not YAML"),
        (GOOD, "- vision|azure/*", "entry 1: "),
    ],
)
def test_a_malformed_entry_is_named_with_its_file(good: str, bad: str, told: str) -> None:
    with pytest.raises(AcknowledgedError, match=told) as caught:
        parse_acknowledged(GOOD.replace(good, bad), "folder/acknowledged.yaml")
    assert str(caught.value).startswith("folder/acknowledged.yaml ")


def test_every_wrong_entry_is_named_at_once() -> None:
    text = GOOD.replace("ana", "''") + GOOD + GOOD.replace("https", "ftp")
    with pytest.raises(AcknowledgedError, match=r"(?s)entry 1.*owner.*entry 3.*issue") as caught:
        parse_acknowledged(text)
    assert "entry 2" not in str(caught.value)


def test_an_entry_for_a_red_cell_is_right_up_to_its_last_day() -> None:
    assert check(entry(expires=TODAY)) == []


def test_an_entry_that_has_expired_is_wrong_and_tells_its_day() -> None:
    yesterday = TODAY - timedelta(days=1)
    assert check(entry(expires=yesterday)) == [
        "'vision|azure/*' (ana) expired on 2026-01-30: renew or remove it, see https://example.test/issues/7"
    ]


def test_an_entry_that_matches_no_red_cell_is_wrong() -> None:
    assert check(entry("vision|anthropic/*")) == [
        "'vision|anthropic/*' (ana) matches no red cell any more: remove it, see https://example.test/issues/7"
    ]


def test_an_entry_that_matches_no_planned_cell_is_wrong() -> None:
    assert check(entry("vison|azure/*")) == [
        "'vison|azure/*' (ana) matches no planned cell: correct its pattern or remove it"
    ]


def test_two_entries_that_claim_the_same_cell_contradict_each_other() -> None:
    assert check(entry(), entry("*|azure/claude-haiku-4-5", owner="bo")) == [
        "'vision|azure/*' (ana) contradicts '*|azure/claude-haiku-4-5' (bo): both claim vision|azure/claude-haiku-4-5"
    ]
    assert "both claim vision|azure/claude-haiku-4-5 and 1 more" in check(entry(), entry())[0]


@pytest.mark.parametrize(
    "verdict",
    [verdict_of(OVERLOADED), judge([]), judge([observe(FAIL, 0), observe(PASS, 1)])],
    ids=["outage", "never observed", "flaky"],
)
def test_an_outage_or_a_lucky_pass_does_not_ask_for_the_removal_of_an_entry(verdict: Verdict) -> None:
    assert check_acknowledgements([entry()], MANIFEST.cells, everything(), TODAY) != []
    assert check_acknowledgements([entry()], MANIFEST.cells, {**everything(), ON_AZURE: verdict}, TODAY) == []


def test_a_known_issue_is_that_of_the_entry_that_claims_the_cell_and_has_not_expired() -> None:
    expired, current = entry(expires=TODAY - timedelta(days=1), owner="bo"), entry()
    assert known_issue_of(ON_AZURE, [expired, current], TODAY) == current
    assert known_issue_of(ON_AZURE, [expired], TODAY) is None
    assert known_issue_of(Cell("vision", "anthropic", "claude-haiku-4-5"), [current], TODAY) is None
