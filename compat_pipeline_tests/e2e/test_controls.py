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

COLUMN = "*|vertex_ai/claude-sonnet-4-6"
"""A target on which every row passes without a fault."""

ROWS = [feature.id for feature in load_manifest({}).features]
CLOSEST = sorted(
    {min((len(fault.rows), name) for name, fault in FAULTS.items() if row in fault.rows)[1] for row in ROWS}
)
"""For each row the fault that breaks the fewest others."""


@pytest.fixture(scope="module")
def proven(full_site: Site) -> subprocess.CompletedProcess[str]:
    """The closest faults, once."""
    chosen = [word for name in CLOSEST for word in ("--fault", name)]
    return full_site.run("compat", "prove", "--cells", COLUMN, *chosen, timeout_s=600)


def test_every_fault_turns_its_own_rows_red_and_no_other(
    full_site: Site, proven: subprocess.CompletedProcess[str]
) -> None:
    table = json.loads(full_site.home.mutants.read_text())
    wrong = {row["fault"]: (row["missed"], row["collateral"]) for row in table["rows"] if row["verdict"] != "killed"}
    assert (wrong, table["collateral"]) == ({}, 0), proven.stdout[-3000:]
    assert table["killed"] == table["faults"] == len(CLOSEST)
    assert proven.returncode == 0


def test_the_command_prints_the_kill_table(proven: subprocess.CompletedProcess[str]) -> None:
    assert f"{len(CLOSEST)} of {len(CLOSEST)} faults killed, 0 collateral red" in proven.stdout
