"""What wire faults are tried on, and what each must make of it."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.wire.client_exchange import Operation
from compat_pipeline.wire.faults import Answer, Asked
from compat_pipeline_tests.wire.messages import (
    BASH,
    FOUND,
    MCP,
    REDACTED,
    SEARCH,
    STRUCTURED,
    TEXT,
    THINKING,
    Json,
    message,
    stream,
)

ROWS = {feature.id for feature in load_manifest({}).features}

MARKER = {"type": "ephemeral", "ttl": "1h"}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cGljdHVyZQ=="}}
DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}}
REMINDER = {"type": "text", "text": "<system-reminder>\nToday is a day.\n</system-reminder>"}
SUMMARY = {"type": "text", "text": "This session is being continued from a previous conversation. The summary: hi."}
PROMPT = {"type": "text", "text": "abcdefgh", "cache_control": MARKER}
REFERENCE = {"type": "tool_reference", "tool_name": "Bash"}
FOUND_TEXT = {"type": "text", "text": "found"}
AGENT = {"type": "tool_use", "id": "toolu_9", "name": "Agent", "input": {"prompt": "look"}}
REQUEST: Json = {
    "model": "bedrock_invoke/claude-sonnet-4-6",
    "max_tokens": 32000,
    "stream": True,
    "system": [{"type": "text", "text": "billing"}, {"type": "text", "text": "system", "cache_control": MARKER}],
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015"}, {"type": "clear_tool_uses_20250919"}]},
    "output_config": {"effort": "high", "format": {}},
    "tools": [
        {"name": "Bash", "input_schema": {}, "eager_input_streaming": True, "cache_control": MARKER},
        {"name": "StructuredOutput", "input_schema": {"type": "object", "required": ["colour"]}},
        {"name": "mcp__dice__roll", "input_schema": {}, "defer_loading": True},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
    ],
    "messages": [
        {"role": "user", "content": [REMINDER, SUMMARY, PICTURE, DOCUMENT, PROMPT]},
        {"role": "assistant", "content": [THINKING, REDACTED, BASH, AGENT]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [FOUND_TEXT, DOCUMENT, REFERENCE]},
                {"type": "tool_result", "tool_use_id": "toolu_9", "content": "agent's answer"},
                REMINDER,
            ],
        },
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": "ijklmnop"},
        {"role": "assistant", "content": [{**THINKING, "signature": "AAAA"}]},
    ],
}
HEADERS = {
    "anthropic-beta": "claude-code-20250219,context-1m-2025-08-07,thinking-token-count-2026-05-13",
    "authorization": "Bearer k",
    "user-agent": "claude-cli/2.1.329 (external, sdk-cli)",
}


def asked(operation: Operation = "messages", **changes: Any) -> Asked:
    return Asked(operation, HEADERS, {**copy.deepcopy(REQUEST), **changes})


def drop(*path: Any) -> Callable[[Json], None]:
    """Takes out what is at `path`."""

    def change(body: Any) -> None:
        for part in path[:-1]:
            body = body[part]
        del body[path[-1]]

    return change


def put(*path_and_value: Any) -> Callable[[Json], None]:
    """Sets what is at a path, the last item, to a value."""
    *path, last, value = path_and_value

    def change(body: Any) -> None:
        for part in path:
            body = body[part]
        body[last] = value

    return change


def all_of(*changes: Callable[[Json], None]) -> Callable[[Json], None]:
    def change(body: Json) -> None:
        for one in changes:
            one(body)

    return change


IN_FIRST, RESULTS = ("messages", 0, "content"), ("messages", 2, "content")
MARKERS = [("tools", 0), ("system", 1), (*IN_FIRST, 4)]

REQUEST_CHANGES: dict[str, Callable[[Json], None]] = {
    "user_text_cut": all_of(
        put(*IN_FIRST, 1, "text", SUMMARY["text"][: len(SUMMARY["text"]) // 2]),
        put(*IN_FIRST, 4, "text", "abcd"),
        put("messages", 4, "content", [{"type": "text", "text": "ijkl"}]),
    ),
    "summary_dropped": drop(*IN_FIRST, 1),
    "call_unrecorded": put("no-log", True),
    "history_dropped": put("messages", REQUEST["messages"][4:]),
    "system_dropped": drop("system"),
    "system_cut": drop("system", 1),
    "model_swapped": put("model", "bedrock_invoke/claude-opus-4-7"),
    "max_tokens_clamped": put("max_tokens", 8192),
    "picture_dropped": drop(*IN_FIRST, 2),
    "picture_altered": put(*IN_FIRST, 2, "source", "data", base64.b64encode(b"picture\0").decode()),
    "document_dropped": drop(*IN_FIRST, 3),
    "result_document_dropped": drop(*RESULTS, 0, "content", 1),
    "cache_marker_dropped": all_of(*(drop(*place, "cache_control") for place in MARKERS)),
    "message_cache_marker_dropped": drop(*IN_FIRST, 4, "cache_control"),
    "cache_hour_shortened": all_of(*(put(*place, "cache_control", {"type": "ephemeral"}) for place in MARKERS)),
    "thinking_dropped": all_of(drop("thinking"), drop("context_management", "edits", 0)),
    "effort_dropped": drop("output_config", "effort"),
    "effort_lowered": put("output_config", "effort", "low"),
    "replayed_signature_altered": all_of(
        put("messages", 1, "content", 0, "signature", "c2lnbmVkAGJ5IHVz"),
        put("messages", 5, "content", 0, "signature", "AABA"),
    ),
    "replayed_thinking_dropped": all_of(drop("messages", 1, "content", 0), drop("messages", 5, "content", 0)),
    "replayed_redacted_thinking_dropped": drop("messages", 1, "content", 1),
    "tools_dropped": drop("tools"),
    "tool_result_dropped": all_of(put(*RESULTS, 0, "content", ""), put(*RESULTS, 1, "content", "")),
    "tool_results_exchanged": all_of(
        put(*RESULTS, 0, "tool_use_id", "toolu_9"), put(*RESULTS, 1, "tool_use_id", "toolu_1")
    ),
    "subagent_answer_dropped": put(*RESULTS, 1, "content", ""),
    "mcp_tools_dropped": drop("tools", 2),
    "eager_streaming_dropped": drop("tools", 0, "eager_input_streaming"),
    "schema_dropped": put("tools", 1, "input_schema", {"type": "object"}),
    "tool_reference_dropped": drop(*RESULTS, 0, "content", 2),
    "defer_loading_dropped": drop("tools", 2, "defer_loading"),
    "search_tool_dropped": drop("tools", 3),
    "stream_faked": put("stream", False),
}

REFUSALS = {
    "requests_refused": (400, "xhigh"),
    "gateway_crashed": (500, "'NoneType' object has no attribute 'access_key'"),
    "streams_refused": (404, "streaming"),
    "unknown_beta_refused": (400, "invalid beta flag"),
    "unknown_field_refused": (400, "context_management: Extra inputs are not permitted"),
    "output_config_refused": (400, "output_config: Extra inputs are not permitted"),
    "thinking_refused": (400, "is not supported for this model"),
    "eager_streaming_refused": (400, "tools.0.custom.eager_input_streaming: Extra inputs are not permitted"),
    "nested_search_refused": (400, "tools.3: Input tag 'web_search_20250305' found using 'type' does not match"),
    "tool_type_refused": (400, "tools.2.custom.defer_loading: Extra inputs are not permitted"),
    "tool_reference_refused": (400, "messages.2.content.0.tool_result.content: Input tag 'tool_reference'"),
}

ANSWER = message(THINKING, REDACTED, SEARCH, FOUND, TEXT, BASH, MCP, STRUCTURED, stop_reason="tool_use")
WRITTEN, READ = 7, 5
CONTENT_CHANGES: dict[str, Callable[[Json], None]] = {
    "wrong_code": put("content", 4, "text", TEXT["text"].replace("9ab", "9aa")),
    "answer_text_cut": put("content", 4, "text", TEXT["text"][: len(TEXT["text"]) // 2]),
    "colours_exchanged": put("content", 4, "text", TEXT["text"].replace("red", "green")),
    "signature_altered": put("content", 0, "signature", "c2lnbmVkAGJ5IHVz"),
    "signature_dropped": put("content", 0, "signature", ""),
    "thinking_swallowed": drop("content", 0),
    "redacted_thinking_swallowed": drop("content", 1),
    "tool_input_lost": all_of(*(put("content", number, "input", {}) for number in (5, 6, 7))),
    "parallel_tool_lost": all_of(drop("content", 7), drop("content", 6)),
    "mcp_tool_renamed": put("content", 6, "name", "roll"),
    "structured_output_as_text": all_of(
        put("content", 7, {"type": "text", "text": '{"colour": "red"}'}), put("stop_reason", "end_turn")
    ),
    "search_results_emptied": put("content", 3, "content", []),
    "tool_stop_lost": put("stop_reason", "end_turn"),
    "usage_zeroed": put(
        "usage",
        {
            "input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 0,
        },
    ),
    "cached_tokens_counted_twice": put("usage", "input_tokens", 11 + WRITTEN + READ),
    "cache_reads_zeroed": all_of(put("usage", "input_tokens", 11 + READ), put("usage", "cache_read_input_tokens", 0)),
    "cache_creation_zeroed": all_of(
        put("usage", "input_tokens", 11 + WRITTEN),
        put("usage", "cache_creation_input_tokens", 0),
        put("usage", "cache_creation", {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}),
    ),
    "cache_hour_counted_as_minutes": put(
        "usage", "cache_creation", {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0}
    ),
    "cache_split_dropped": drop("usage", "cache_creation"),
}

THINKING_DELTA = "thinking_delta into content block 0, which is a text block"
STREAM_VIOLATIONS = {
    "text_as_thinking": ["thinking_delta into content block 4, which is a text block"],
    "thinking_opened_as_text": [
        THINKING_DELTA,
        "signature_delta into content block 0, which is a text block",
    ],
    "text_delta_in_thinking": ["text_delta into content block 0, which is a thinking block"],
    "parallel_tools_misindexed": [
        "input_json_delta for content block 5, but 6 (tool_use) is open",
        "input_json_delta for content block 5, but 7 (tool_use) is open",
    ],
    "stream_truncated": [
        "there is no message_delta with the stop reason",
        "there is no message_stop: the stream was cut",
    ],
    "message_stop_lost": ["there is no message_stop: the stream was cut"],
    "message_stop_repeated": ["message_stop comes after message_stop"],
}

OF_OTHER_SHAPES = {
    *(
        "request_sent_twice",
        "stream_held_back",
        "words_held_back",
        "hang_up_ignored",
    ),  # the recorder's part, tested there
    *("context_1m_beta_dropped", "user_agent_replaced", "thinking_budget_changed", "document_alone_refused"),
    *("cache_counts_missing_at_start", "truncation_called_whole"),
    *("count_without_tools", "count_guessed", "count_refused", "non_streaming_refused", "fallback_empty"),
    *("stream_in_one_delta", "wrong_stop_reason", "error_wording_swallowed", "error_status_changed", "call_id_dropped"),
}


def whole(body: Json) -> Answer:
    return Answer(200, {"content-type": "application/json"}, body=copy.deepcopy(body))


def streamed(body: Json) -> Answer:
    return Answer(200, {"content-type": "text/event-stream"}, tuple(stream(copy.deepcopy(body))))
