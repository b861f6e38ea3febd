"""Non-streaming requests on Anthropic."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.plugin import CompatResult
from compat_pipeline.suite.true_non_streaming.probe import probe


def test_true_non_streaming(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
