"""Extended thinking with tools on Bedrock (Converse)."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.plugin import CompatResult
from compat_pipeline.suite.thinking_with_tools.probe import probe


def test_thinking_with_tools(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
