"""Attribution on Vertex AI."""

from compat_pipeline.suite.attribution.probe import probe
from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.plugin import CompatResult


def test_attribution(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
