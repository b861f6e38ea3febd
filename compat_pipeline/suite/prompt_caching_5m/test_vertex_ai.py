"""Prompt caching (5 minutes) on Vertex AI."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.plugin import CompatResult
from compat_pipeline.suite.prompt_caching_5m.probe import probe


def test_prompt_caching_5m(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
