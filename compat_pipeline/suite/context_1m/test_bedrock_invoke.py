"""1M context on Bedrock (Invoke)."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.context_1m.probe import probe
from compat_pipeline.suite.plugin import CompatResult


def test_context_1m(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
