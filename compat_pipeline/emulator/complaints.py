"""What the rules on requests look for: each gives the provider's message for a call that breaks it, else None."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from compat_pipeline.emulator import schema
from compat_pipeline.emulator.contract import Call, Json, blocks_of
from compat_pipeline.emulator.thinking import is_ours

BEDROCK_BETAS = frozenset(
    {
        "computer-use-2024-10-22",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "token-efficient-tools-2025-02-19",
        "interleaved-thinking-2025-05-14",
        "output-128k-2025-02-19",
        "dev-full-thinking-2025-05-14",
        "fine-grained-tool-streaming-2025-05-14",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "effort-2025-11-24",
        "tool-search-tool-2025-10-19",
        "tool-examples-2025-10-29",
        # the following: from LiteLLM's list of beta headers for Bedrock; litellm#41203 shows some of them live
        "compact-2026-01-12",
        "dangerous-tool-use-2026-09-03",
        "mid-conversation-output-config-2026-07-01",
        "mid-conversation-tool-changes-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
    }
)
"""The betas Bedrock knows (AWS: Claude request fields; litellm#19877)."""

BEDROCK_TOOL_TYPES = (
    "bash_20250124",
    "custom",
    "memory_20250818",
    "text_editor_20250124",
    "text_editor_20250429",
    "text_editor_20250728",
    "web_search_20250305",
)
"""Rule X1: the tags of the published error text."""

_INTERLEAVED = "interleaved-thinking-2025-05-14"
_BETA_OF_FIELD = {"context_management": "context-management-2025-06-27"}
_MAX_BREAKPOINTS = 4
_EXTRA = "Extra inputs are not permitted"
_BODY_TYPES = {
    "anthropic": schema.MESSAGES,
    "azure": schema.MESSAGES,
    "vertex_ai": schema.VERTEX,
    "bedrock_invoke": schema.BEDROCK_INVOKE,
    "bedrock_converse": schema.BEDROCK_CONVERSE,
}

# --- the wire's own form, before anything is known to be well-formed ---------------------------------------------


def null_reasoning_text(call: Call) -> str | None:
    for number, message in enumerate(_dicts(call.body.get("messages")), start=1):
        for index, block in enumerate(_dicts(message.get("content")), start=1):
            text = _dict(_dict(block.get("reasoningContent")).get("reasoningText"))
            if text and text.get("text") is None:
                place = f"messages.{number}.member.content.{index}.member.reasoningContent.reasoningText.text"
                problem = "failed to satisfy constraint: Member must not be null"
                return f"1 validation error detected: Value at '{place}' {problem}"
    return None


def tool_choice_in_inference_config(call: Call) -> str | None:
    found = "tool_choice" in _dict(call.body.get("inferenceConfig"))
    return "tool_choice.type: Field required" if found else None


def converse_types(call: Call) -> str | None:
    complaint = schema.converse_complaint(call.body, call.model)
    return f"1 validation error detected: {complaint}" if complaint else None


def unknown_beta(call: Call) -> str | None:
    return "invalid beta flag" if call.betas - BEDROCK_BETAS else None


def unknown_tool_type(call: Call) -> str | None:
    for index, tool in enumerate(call.tools):
        kind = tool.get("type") or "custom"
        if kind not in BEDROCK_TOOL_TYPES:
            tags = ", ".join(f"'{tag}'" for tag in BEDROCK_TOOL_TYPES)
            problem = f"Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}"
            return f"tools.{index}: {problem}"
    return None


def _dicts(value: object) -> Iterator[Json]:
    yield from (_dict(entry) for entry in (value if isinstance(value, list) else ()))


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}


# --- the published types -----------------------------------------------------------------------------------------


def unknown_field(call: Call) -> str | None:
    complaint = _type_complaint(call)
    return complaint if complaint and complaint.endswith(_EXTRA) else None


def wrong_field(call: Call) -> str | None:
    complaint = _type_complaint(call)
    return complaint if complaint and not complaint.endswith(_EXTRA) else None


def _type_complaint(call: Call) -> str | None:
    body_type = schema.COUNT_TOKENS if call.operation == "count_tokens" else _BODY_TYPES[call.provider]
    return body_type.complaint(call.request)


def field_without_beta(call: Call) -> str | None:
    for name, beta in _BETA_OF_FIELD.items():
        if call.request.get(name) is not None and beta not in call.betas:
            return f"{name}: {_EXTRA}"
    return None


# --- content -----------------------------------------------------------------------------------------------------


def empty_content(call: Call) -> str | None:
    if not call.messages:
        return "messages: at least one message is required"
    last = len(call.messages) - 1
    for number, message in enumerate(call.messages):
        if blocks_of(message) or (number == last and message["role"] == "assistant"):
            continue
        if call.provider == "bedrock_converse":
            place = f"The content field in the Message object at messages.{number}"
            return f"{place} is empty. Add a ContentBlock object to the content field and try again."
        exception = "except for the optional final assistant message"
        return f"messages.{number}: all messages must have non-empty content {exception}"
    return None


def blank_text(call: Call) -> str | None:
    for path, _, block in call.blocks():
        if block["type"] != "text" or block["text"].strip():
            continue
        if call.provider == "bedrock_converse":
            place = f"The text field in the ContentBlock object at {path}"
            return f"{place} is blank. Add text to the text field, and try again."
        return "messages: text content blocks must be non-empty"
    return None


def document_only(call: Call) -> str | None:
    for number, message in enumerate(call.messages):
        kinds = {block["type"] for block in blocks_of(message)}
        if "document" in kinds and not kinds & {"text", "tool_result"}:
            place = f"The content field in the Message object at messages.{number}"
            return f"{place} contains a document and no text. Add a text block and try again."
    return None


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


# --- thinking ----------------------------------------------------------------------------------------------------


def unsupported_thinking(call: Call) -> str | None:
    kind = call.setting("thinking").get("type", "disabled")
    if kind == "disabled" or kind in call.facts.thinking:
        return None
    if kind == "adaptive":
        return "adaptive thinking is not supported on this model"
    instead = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
    return f'"thinking.type.{kind}" is not supported for this model. {instead}'


def budget_too_large(call: Call) -> str | None:
    budget, limit = call.setting("thinking").get("budget_tokens"), call.request.get("max_tokens")
    if budget is None or limit is None or budget < limit or (_INTERLEAVED in call.betas and call.tools):
        return None
    return "`max_tokens` must be greater than `thinking.budget_tokens`."


def altered_thinking(call: Call) -> str | None:
    for path, message, block in call.blocks():
        if message["role"] == "assistant" and block["type"] == "thinking" and not is_ours(call, block):
            return f"{path}: Invalid `signature` in `thinking` block"
    return None


def missing_thinking(call: Call) -> str | None:
    """Only with a thinking budget: adaptive thinking does not ask for it (Anthropic, adaptive thinking)."""
    if call.setting("thinking").get("type") != "enabled" or len(call.messages) < 2:
        return None
    assistant, user = call.messages[-2:]
    if assistant["role"] != "assistant" or not any(block["type"] == "tool_result" for block in blocks_of(user)):
        return None
    first = next((block["type"] for block in blocks_of(assistant)), "nothing")
    if first in ("thinking", "redacted_thinking"):
        return None
    return (
        f"messages.{len(call.messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
        f"`{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block "
        "(preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
    )


# --- caching -----------------------------------------------------------------------------------------------------


def unsupported_sampling(call: Call) -> str | None:
    given = [name for name in schema.SAMPLING if name in call.request]
    return f"`{given[0]}` is deprecated for this model." if given and not call.facts.sampling else None


def too_many_breakpoints(call: Call) -> str | None:
    found = len(_breakpoint_ttls(call))
    problem = f"A maximum of {_MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {found}."
    return problem if found > _MAX_BREAKPOINTS else None


def long_after_short(call: Call) -> str | None:
    ttls = _breakpoint_ttls(call)
    if "5m" in ttls and "1h" in ttls[ttls.index("5m") :]:
        return "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"
    return None


def _breakpoint_ttls(call: Call) -> list[str]:
    marks = (block.get("cache_control") for block in call.cacheable_blocks())
    return [mark.get("ttl") or "5m" for mark in marks if mark]
