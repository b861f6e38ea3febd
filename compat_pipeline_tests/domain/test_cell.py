"""How cells are named and chosen."""

from __future__ import annotations

import pytest

from compat_pipeline.domain.cell import Cell, NoSuchCell, Trial, select

CELLS = [
    Cell(feature, provider, "m") for feature in ("vision", "tool_use") for provider in ("anthropic", "bedrock_invoke")
]


def test_a_cell_is_read_back_from_its_partition_key() -> None:
    cell = Cell("tool_use", "bedrock_converse", "claude-sonnet-4-6")
    assert cell.key == "tool_use|bedrock_converse/claude-sonnet-4-6"
    assert Cell.parse(cell.key) == cell


@pytest.mark.parametrize("key", ["", "tool_use", "tool_use|anthropic", "|anthropic/m", "tool_use|/m"])
def test_what_is_not_a_partition_key_is_refused_by_name(key: str) -> None:
    with pytest.raises(ValueError, match=r"is not a cell"):
        Cell.parse(key)


def test_patterns_choose_cells_in_manifest_order_without_repeats() -> None:
    chosen = select(CELLS, ["tool_use|*", "*|bedrock_*/*"])
    assert [cell.key for cell in chosen] == [
        "vision|bedrock_invoke/m",
        "tool_use|anthropic/m",
        "tool_use|bedrock_invoke/m",
    ]


def test_a_pattern_that_matches_nothing_says_what_there_is() -> None:
    with pytest.raises(NoSuchCell, match=r"(?s)'visoin\|\*'.*features: vision, tool_use.*targets: anthropic/m"):
        select(CELLS, ["vision|*", "visoin|*"])


@pytest.mark.parametrize("fault", [None, "picture_dropped"])
def test_a_trial_is_read_back_from_its_key(fault: str | None) -> None:
    trial = Trial(CELLS[0], fault)
    assert Trial.parse(trial.key) == trial
