"""What the rules on tools look for: definitions, searches, calls and their results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from compat_pipeline.emulator.contract import Call, Provider, blocks_of
from compat_pipeline.emulator.server_tools import WEB_SEARCH_TYPE

TOOL_SEARCH_BETA = "tool-search-tool-2025-10-19"
WEB_SEARCH_BETA = "web-search-2025-03-05"

_EDITORS = ("text_editor_20250124", "text_editor_20250429", "text_editor_20250728")
_TOOL_SEARCHES = (
    "tool_search_tool_bm25",
    "tool_search_tool_bm25_20251119",
    "tool_search_tool_regex",
    "tool_search_tool_regex_20251119",
)
TOOL_TYPES: Mapping[Provider, tuple[str, ...]] = {
    "bedrock_invoke": ("bash_20250124", "custom", "memory_20250818", *_EDITORS, "web_search_20250305"),
    "vertex_ai": ("bash_20250124", "custom", *_EDITORS),
}
"""Rule X1: the tags of the published error texts, for a request without betas."""

TOOL_TYPES_OF_BETAS: Mapping[Provider, Mapping[str, tuple[str, ...]]] = {
    "bedrock_invoke": {TOOL_SEARCH_BETA: _TOOL_SEARCHES},
    "vertex_ai": {
        TOOL_SEARCH_BETA: _TOOL_SEARCHES,
        WEB_SEARCH_BETA: ("web_search_20250305",),
        "context-management-2025-06-27": ("memory_20250818",),
    },
}
"""What a beta adds to them."""

_EXTRA = "Extra inputs are not permitted"
_NO_TAG = "found using 'type' does not match any of the expected tags:"

# --- definitions -------------------------------------------------------------------------------------------------


def unknown_tool_type(call: Call) -> str | None:
    tags = [*TOOL_TYPES[call.provider]]
    for beta, more in TOOL_TYPES_OF_BETAS[call.provider].items():
        tags += more if beta in call.betas else ()
    for index, tool in enumerate(call.tools):
        kind = tool.get("type") or "custom"
        if kind not in tags:
            return f"tools.{index}: Input tag '{kind}' {_NO_TAG} {_quoted(sorted(tags))}"
    return None


def web_search_at_bedrock(call: Call) -> str | None:
    found = any(str(tool.get("type")).startswith(WEB_SEARCH_TYPE) for tool in call.tools)
    return "The provided request is not valid" if found else None


def eager_streaming(call: Call) -> str | None:
    return _extra_field(call, "eager_input_streaming")


def deferral_without_beta(call: Call) -> str | None:
    return None if TOOL_SEARCH_BETA in call.betas else _extra_field(call, "defer_loading")


def tool_search_at_converse(call: Call) -> str | None:
    problem = "The tool-search-tool beta feature is not currently supported on the Converse and ConverseStream APIs"
    return problem if TOOL_SEARCH_BETA in call.betas else None


def all_tools_deferred(call: Call) -> str | None:
    if call.tools and all(tool.get("defer_loading") is True for tool in call.tools):
        return "All tools have defer_loading set. At least one tool must be non-deferred."
    return None


def _extra_field(call: Call, name: str) -> str | None:
    for index, tool in enumerate(call.tools):
        if name in tool:
            return f"tools.{index}.{tool.get('type') or 'custom'}.{name}: {_EXTRA}"
    return None


def _quoted(words: list[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


# --- references --------------------------------------------------------------------------------------------------


def reference_without_beta(call: Call) -> str | None:
    if TOOL_SEARCH_BETA in call.betas:
        return None
    for path, _, block in call.blocks():
        for index, part in enumerate(blocks_of(block) if block["type"] == "tool_result" else ()):
            if part.get("type") == "tool_reference":
                tags = _quoted(["document", "image", "search_result", "text"])
                return f"{path}.tool_result.content.{index}: Input tag 'tool_reference' {_NO_TAG} {tags}"
    return None


def unknown_reference(call: Call) -> str | None:
    missing = sorted(call.referenced_tools - {str(tool.get("name")) for tool in call.tools})
    return f"Tool reference '{missing[0]}' not found in available tools" if missing else None


# --- tool calls and their results --------------------------------------------------------------------------------


def unanswered_tool_call(call: Call) -> str | None:
    for number, calls, results in _tool_ids(call):
        missing = ", ".join(tool_id for tool_id in calls if tool_id not in results)
        if missing and call.provider == "bedrock_converse":
            return f"Expected toolResult blocks at messages.{number}.content for the following Ids: {missing}"
        if missing:
            duty = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            problem = "`tool_use` ids were found without `tool_result` blocks immediately after"
            return f"messages.{number - 1}: {problem}: {missing}. {duty}"
    return None


def unexpected_tool_result(call: Call) -> str | None:
    for number, calls, results in _tool_ids(call):
        strange = [tool_id for tool_id in results if tool_id not in calls]
        if strange and call.provider == "bedrock_converse":
            place = f"The number of toolResult blocks at messages.{number}.content"
            return f"{place} exceeds the number of toolUse blocks of previous turn."
        if strange:
            duty = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            problem = f"unexpected `tool_use_id` found in `tool_result` blocks: {strange[0]}"
            return f"messages.{number}.content.0: {problem}. {duty}"
    return None


def _tool_ids(call: Call) -> Iterator[tuple[int, list[str], list[str]]]:
    """For each user turn: the number of its first message, the tool calls it must answer, the results it holds.

    Messages of one role in a row are one turn.
    """
    calls: list[str] = []
    for role, turn in groupby(enumerate(call.messages), key=lambda numbered: numbered[1]["role"]):
        numbered = list(turn)
        blocks = [block for _, message in numbered for block in blocks_of(message)]
        if role == "user":
            yield numbered[0][0], calls, [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"] if role == "assistant" else []
