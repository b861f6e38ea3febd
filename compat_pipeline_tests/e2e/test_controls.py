"""Every compatibility test can go red: the faults closest to each row turn exactly their own rows red.

`make mutants` tries the whole catalogue.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.wire.faults import FAULTS
from compat_pipeline_tests.e2e.conftest import Site

PASSING = ("*|vertex_ai/claude-sonnet-4-6", "error_surfaces|azure/claude-sonnet-4-6")
"""Cells among which every row passes without a fault."""

CLOSEST = (
    "cache_hour_counted_as_minutes",
    "colours_exchanged",
    "context_1m_beta_dropped",
    "count_guessed",
    "defer_loading_dropped",
    "document_alone_refused",
    "eager_streaming_dropped",
    "fallback_empty",
    "history_dropped",
    "mcp_tool_renamed",
    "nested_search_refused",
    "output_config_refused",
    "parallel_tool_lost",
    "redacted_thinking_swallowed",
    "schema_dropped",
    "subagent_answer_dropped",
    "summary_dropped",
    "text_delta_in_thinking",
    "thinking_budget_changed",
    "tool_result_dropped",
    "truncation_called_whole",
)
"""Faults that break every row between them, and that few other rows can even see: a trial is a run of the CLI."""


@pytest.fixture(scope="module")
def proven(full_site: Site) -> subprocess.CompletedProcess[str]:
    """The closest faults, once."""
    cells = [word for pattern in PASSING for word in ("--cells", pattern)]
    chosen = [word for name in CLOSEST for word in ("--fault", name)]
    return full_site.run("compat", "prove", *cells, *chosen)


def test_every_row_is_broken_by_one_of_them() -> None:
    rows = {feature.id for feature in load_manifest({}).features}
    assert rows == {row for name in CLOSEST for row in FAULTS[name].rows}


def test_every_fault_turns_its_own_rows_red_and_no_other(
    full_site: Site, proven: subprocess.CompletedProcess[str]
) -> None:
    assert proven.returncode == 0, proven.stdout[-6000:] + proven.stderr[-3000:]
    table = json.loads(full_site.home.mutants.read_text())
    wrong = {row["fault"]: (row["missed"], row["collateral"]) for row in table["rows"] if row["verdict"] != "killed"}
    assert (wrong, table["collateral"]) == ({}, 0)
    assert table["killed"] == table["faults"] == len(CLOSEST)


def test_the_command_prints_the_kill_table(proven: subprocess.CompletedProcess[str]) -> None:
    assert f"{len(CLOSEST)} of {len(CLOSEST)} faults killed, 0 collateral red" in proven.stdout
