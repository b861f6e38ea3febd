"""Token counting on Vertex AI."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.count_tokens.probe import probe
from compat_pipeline.suite.plugin import CompatResult


def test_count_tokens(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
