"""Compaction on Azure."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.compaction.probe import probe
from compat_pipeline.suite.plugin import CompatResult


def test_compaction(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
