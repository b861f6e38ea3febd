"""Sub-agents on Bedrock (Invoke)."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.plugin import CompatResult
from compat_pipeline.suite.subagents.probe import probe


def test_subagents(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
