"""Redacted thinking on Vertex AI."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.plugin import CompatResult
from compat_pipeline.suite.redacted_thinking.probe import probe


def test_redacted_thinking(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
