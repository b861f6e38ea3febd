"""Tool search on Bedrock (Converse)."""

from compat_pipeline.suite.plugin import CompatResult

# AWS, Converse API reference: ToolSpecification and ToolResultContentBlock; the words it refuses the beta with.
_REASON = "Bedrock's Converse API knows neither deferred tools nor tool references; tool search is InvokeModel's alone."


def test_tool_search(compat_result: CompatResult) -> None:
    compat_result.set({"status": "not_applicable", "reason": _REASON})
