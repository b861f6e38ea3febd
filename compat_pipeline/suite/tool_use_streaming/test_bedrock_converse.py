"""Fine-grained tool streaming on Bedrock (Converse)."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.plugin import CompatResult
from compat_pipeline.suite.tool_use_streaming.probe import probe


def test_tool_use_streaming(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
