"""Resuming a session on Bedrock (Converse)."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.multi_turn_resume.probe import probe
from compat_pipeline.suite.plugin import CompatResult


def test_multi_turn_resume(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
