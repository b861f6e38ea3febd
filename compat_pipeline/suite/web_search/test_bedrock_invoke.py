"""Web search on Bedrock (Invoke)."""

from compat_pipeline.suite.plugin import CompatResult


def test_web_search(compat_result: CompatResult) -> None:
    # Source: Claude Code, feature availability: behind a gateway it is that of the underlying provider.
    compat_result.set({"status": "not_applicable", "reason": "Amazon Bedrock has no web search for Claude."})
