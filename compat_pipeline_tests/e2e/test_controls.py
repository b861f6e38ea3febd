"""Every compatibility test can go red: each fault of the catalogue turns exactly its own rows red."""

from __future__ import annotations

import json
import subprocess

import pytest

from compat_pipeline.wire.faults import FAULTS
from compat_pipeline_tests.e2e.conftest import Site

MODEL = "claude-haiku-4-5"


@pytest.fixture(scope="module")
def proven(full_site: Site) -> subprocess.CompletedProcess[str]:
    """`make mutants`, once."""
    return full_site.run("compat", "prove", "--cells", f"*|*/{MODEL}", "--in-turn", timeout_s=600)


def test_every_fault_turns_its_own_rows_red_and_no_other(
    full_site: Site, proven: subprocess.CompletedProcess[str]
) -> None:
    table = json.loads(full_site.home.mutants.read_text())
    wrong = {row["fault"]: (row["missed"], row["collateral"]) for row in table["rows"] if row["verdict"] != "killed"}
    assert (wrong, table["collateral"]) == ({}, 0), proven.stdout[-3000:]
    assert table["killed"] == table["faults"] == len(FAULTS)
    assert proven.returncode == 0


def test_the_command_prints_the_kill_table(proven: subprocess.CompletedProcess[str]) -> None:
    assert f"{len(FAULTS)} of {len(FAULTS)} faults killed, 0 collateral red" in proven.stdout
