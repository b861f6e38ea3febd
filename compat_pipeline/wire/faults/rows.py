"""Groups of features by what crosses the wire in them: the rows that a fault must turn red."""

from __future__ import annotations


def rows(*names: str) -> frozenset[str]:
    """The features called `names`."""
    return frozenset(names)


NOT_STREAMED = rows("basic_messaging_non_streaming", "true_non_streaming")
CACHING = rows("prompt_caching_5m", "prompt_caching_1h")
THINKING = rows("extended_thinking", "thinking_with_tools", "redacted_thinking")
CLIENT_TOOLS = rows(
    *("tool_use", "tool_use_streaming", "tool_use_parallel", "thinking_with_tools", "mcp_tool"),
    *("tool_search", "web_search", "subagents", "pdf_input"),
)
"""Rows in which the CLI runs a tool and sends its result back."""

TOOLS = CLIENT_TOOLS | rows("structured_outputs")
REPLAYED = rows("extended_thinking", "redacted_thinking", "multi_turn_resume", "compaction", "attribution")
"""Rows in which a prompt depends on earlier ones."""

TALKS = NOT_STREAMED | CACHING | THINKING | TOOLS | REPLAYED | rows("basic_messaging_streaming", "vision", "context_1m")
"""Rows that prove a whole conversation: the prompt, the answer, its counts."""

ASKED_BY_CLI = TALKS - rows("true_non_streaming")
"""Of those, the ones in which Claude Code itself asks: with its betas, its effort, its cached prompt."""

TOLD_IN_WORDS = TALKS - rows("structured_outputs")
"""Of those, the ones that end in an answer in words, not in a call of a tool."""

THINKING_LEFT_ON = THINKING | rows(
    *("basic_messaging_non_streaming", "basic_messaging_streaming", "prompt_caching_5m", "vision")
)
"""Rows in which Claude Code asks for thinking, as it does by itself; the others switch it off."""

STREAMED = TALKS - NOT_STREAMED
