"""Extended thinking on Bedrock (Converse)."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.extended_thinking.probe import probe
from compat_pipeline.suite.plugin import CompatResult


def test_extended_thinking(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
