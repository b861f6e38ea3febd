"""Tools of an MCP server on Azure."""

from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.mcp_tool.probe import probe
from compat_pipeline.suite.plugin import CompatResult


def test_mcp_tool(compat: CellRun, compat_result: CompatResult) -> None:
    compat_result.set(probe(compat))
