"""Prompt caching for an hour on Bedrock (Converse)."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.plugin import CompatResult
from compat_pipeline.suite.prompt_caching_1h.probe import probe


def test_prompt_caching_1h(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
