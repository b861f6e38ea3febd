"""Basic messaging (non-streaming) on Azure."""

from compat_pipeline.suite.basic_messaging_non_streaming.probe import probe
from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.plugin import CompatResult


def test_basic_messaging_non_streaming(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
