"""Faults of tools on the way to the proxy: those on offer, and what they gave back."""

from __future__ import annotations

from typing import Any

from compat_pipeline.wire.client_exchange import Json
from compat_pipeline.wire.faults.asking import (
    BlockChange,
    blocks_of,
    drop_type,
    in_blocks,
    in_body,
    in_results,
    in_tools,
    is_result,
    with_messages,
    without,
)
from compat_pipeline.wire.faults.fault import Fault
from compat_pipeline.wire.faults.rows import CLIENT_TOOLS, TOOLS, rows

_SUBAGENT_TOOLS = {"Agent", "Task"}


def _results_exchanged(body: Json) -> Json:
    """Results that go back together answer each other's calls."""

    def exchanged(content: Any) -> Any:
        results = [block for block in blocks_of(content) if block.get("type") == "tool_result"]
        if len(results) < 2:
            return content
        ids = [block["tool_use_id"] for block in results]
        after = dict(zip(ids, ids[1:] + ids[:1], strict=True))
        return [{**one, "tool_use_id": after[one["tool_use_id"]]} if one in results else one for one in content]

    messages = [{**message, "content": exchanged(message["content"])} for message in body.get("messages", [])]
    return {**body, "messages": messages}


def _subagents_silent(body: Json) -> Json:
    """What the tools that start a sub-agent gave back is lost."""
    blocks = [block for message in body.get("messages", []) for block in blocks_of(message["content"])]
    calls = {block["id"] for block in blocks if block.get("type") == "tool_use" and block["name"] in _SUBAGENT_TOOLS}

    def emptied(block: Json) -> Json:
        return {**block, "content": ""} if is_result(block) and block["tool_use_id"] in calls else block

    return with_messages(body, emptied, "user")


def _unless(field: str) -> BlockChange:
    """Drops one key of a tool."""
    return lambda tool: {name: value for name, value in tool.items() if name != field}


TOOL_FAULTS = (
    Fault(
        "tools_dropped",
        "the model is offered no tools",
        "LiteLLM #27632: tools ignored",
        TOOLS,
        on_request=without("tools", "tool_choice"),
    ),
    Fault(
        "tool_result_dropped",
        "what a tool gave back does not reach the model",
        "Anthropic tool use: the content of a `tool_result` reaches the model",
        CLIENT_TOOLS,
        on_request=in_blocks(lambda block: {**block, "content": ""} if is_result(block) else block),
    ),
    Fault(
        "tool_results_exchanged",
        "the results of parallel calls answer each other's",
        "LiteLLM #15307: parallel tool calls mis-indexed",
        rows("tool_use_parallel"),
        on_request=in_body(_results_exchanged),
    ),
    Fault(
        "subagent_answer_dropped",
        "what a sub-agent found does not reach the model that sent it",
        "Anthropic tool use: the content of a `tool_result` reaches the model",
        rows("subagents"),
        on_request=in_body(_subagents_silent),
    ),
    Fault(
        "mcp_tools_dropped",
        "the model is offered the built-in tools only",
        "Claude Code: tools of an MCP server are named mcp__SERVER__TOOL",
        rows("mcp_tool"),
        on_request=in_tools(lambda tool: None if tool.get("name", "").startswith("mcp__") else tool),
    ),
    Fault(
        "eager_streaming_dropped",
        "tool input is no longer streamed as it is written",
        "LiteLLM #23825: eager_input_streaming",
        rows("tool_use_streaming"),
        on_request=in_tools(_unless("eager_input_streaming")),
    ),
    Fault(
        "schema_dropped",
        "the model does not learn which shape the answer must have",
        "LiteLLM #39070: the schema dropped on Bedrock Invoke",
        rows("structured_outputs"),
        on_request=in_tools(
            lambda tool: {**tool, "input_schema": {"type": "object"}} if tool["name"] == "StructuredOutput" else tool
        ),
    ),
    Fault(
        "tool_reference_dropped",
        "the tools that a search found are lost",
        "LiteLLM on Converse: tool_reference blocks dropped",
        rows("tool_search"),
        on_request=in_results(drop_type("tool_reference")),
    ),
    Fault(
        "defer_loading_dropped",
        "tools to be searched for are all loaded",
        "LiteLLM on Converse: defer_loading dropped",
        rows("tool_search"),
        on_request=in_tools(_unless("defer_loading")),
    ),
    Fault(
        "search_tool_dropped",
        "the nested request for a web search has no search tool",
        "LiteLLM #26252 #25477: nested web search empty",
        rows("web_search"),
        on_request=in_tools(lambda tool: None if tool.get("type", "").startswith("web_search_") else tool),
    ),
)
