"""What errors look like on Bedrock (Converse)."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.error_surfaces.probe import probe
from compat_pipeline.suite.plugin import CompatResult


def test_error_surfaces(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
