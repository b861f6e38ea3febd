"""What the rules on requests look for, tools apart: each gives the provider's message for a broken rule, else None."""

from __future__ import annotations

from collections.abc import Iterator

from compat_pipeline.emulator import schema, thinking
from compat_pipeline.emulator.caching import count_tokens
from compat_pipeline.emulator.contract import Call, Json, blocks_of
from compat_pipeline.emulator.tool_complaints import TOOL_SEARCH_BETA, WEB_SEARCH_BETA

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
        TOOL_SEARCH_BETA,
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

CONVERSE_BETAS = BEDROCK_BETAS | {"structured-outputs-2025-11-13"}
"""Invoke refuses the last (litellm#19652), LiteLLM's list of beta headers has it for Converse."""

VERTEX_REFUSED_BETAS = frozenset(
    {"prompt-caching-scope-2026-01-05", "adaptive-thinking-2026-01-28", "advanced-tool-use-2025-11-20"}
)
"""Betas Vertex does not know: litellm#19984, anthropics/claude-code#34802, litellm#28083 (under another name there)."""

VERTEX_COUNT_REFUSED_BETAS = VERTEX_REFUSED_BETAS | {TOOL_SEARCH_BETA, WEB_SEARCH_BETA}
"""Counting knows fewer (litellm#39597, live)."""

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
    known = CONVERSE_BETAS if call.provider == "bedrock_converse" else BEDROCK_BETAS
    return "invalid beta flag" if call.betas - known else None


def unexpected_beta(call: Call) -> str | None:
    refused = VERTEX_COUNT_REFUSED_BETAS if call.operation == "count_tokens" else VERTEX_REFUSED_BETAS
    if not call.betas & refused:
        return None
    found = ", ".join(f"`{beta}`" for beta in sorted(call.betas & refused))
    advice = "Please consult our documentation at platform.claude.com/docs or try again without the header."
    return f"Unexpected value(s) {found} for the `anthropic-beta` header. {advice}"


def format_among_model_fields(call: Call) -> str | None:
    fields = _dict(_dict(call.body.get("additionalModelRequestFields")).get("output_config"))
    return f"output_config.format: {_EXTRA}" if "format" in fields else None


def uncountable_model(call: Call) -> str | None:
    """Not at bedrock-mantle, whose requests name their model in the body."""
    if call.operation != "count_tokens" or "model" in call.request:
        return None
    by_profile = not call.model.startswith("anthropic.")
    return "The provided model doesn't support counting tokens." if by_profile or not call.facts.counted else None


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
    bare = call.operation == "count_tokens" and "model" in call.request  # Bedrock's CountTokens takes whole requests
    body_type = schema.COUNT_TOKENS if bare else _BODY_TYPES[call.provider]
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
    for message in call.messages:
        kinds = {block["type"] for block in blocks_of(message)}
        if "document" in kinds and not kinds & {"text", "tool_result"}:
            return "A text block must be included when using documents. Add a text block and retry your request."
    return None


# --- thinking ----------------------------------------------------------------------------------------------------


def unsupported_thinking(call: Call) -> str | None:
    kind = call.setting("thinking").get("type", "disabled")
    if kind == "disabled" or kind in call.facts.thinking:
        return None
    if kind == "adaptive":
        return "adaptive thinking is not supported on this model"
    instead = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
    return f'"thinking.type.{kind}" is not supported for this model. {instead}'


def unsupported_effort(call: Call) -> str | None:
    effort, known = call.setting("output_config").get("effort"), call.facts.efforts
    if effort is None or effort in known:
        return None
    if not known:
        return "This model does not support the effort parameter."
    return f"This model does not support effort level '{effort}'. Supported levels: {', '.join(sorted(known))}."


def budget_too_large(call: Call) -> str | None:
    budget, limit = call.setting("thinking").get("budget_tokens"), call.request.get("max_tokens")
    if budget is None or limit is None or budget < limit or (_INTERLEAVED in call.betas and call.tools):
        return None
    return "`max_tokens` must be greater than `thinking.budget_tokens`."


def altered_thinking(call: Call) -> str | None:
    for path, message, block in call.blocks():
        if message["role"] == "assistant" and block["type"] in thinking.KINDS and not thinking.is_ours(call, block):
            field = "signature" if block["type"] == "thinking" else "data"
            return f"{path}: Invalid `{field}` in `{block['type']}` block"
    return None


def incomplete_thinking(call: Call) -> str | None:
    """Only of the latest assistant message, and only while the model thinks: else the API drops the blocks itself."""
    numbers = [number for number, message in enumerate(call.messages) if message["role"] == "assistant"]
    if not numbers or call.setting("thinking").get("type", "disabled") == "disabled":
        return None
    blocks = blocks_of(call.messages[numbers[-1]])
    found = [block for block in blocks if block["type"] in thinking.KINDS]
    if thinking.whole(call, found):
        return None
    return (
        f"messages.{numbers[-1]}.content.{blocks.index(found[0])}: `thinking` or `redacted_thinking` blocks in the "
        "latest assistant message cannot be modified. These blocks must remain as they were in the original response."
    )


def missing_thinking(call: Call) -> str | None:
    """Only with a thinking budget: adaptive thinking does not ask for it (Anthropic, adaptive thinking)."""
    if call.setting("thinking").get("type") != "enabled" or len(call.messages) < 2:
        return None
    assistant, user = call.messages[-2:]
    if assistant["role"] != "assistant" or not any(block["type"] == "tool_result" for block in blocks_of(user)):
        return None
    first = next((block["type"] for block in blocks_of(assistant)), "nothing")
    if first in thinking.KINDS:
        return None
    return (
        f"messages.{len(call.messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
        f"`{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block "
        "(preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
    )


# --- size, sampling and caching ----------------------------------------------------------------------------------


def too_long(call: Call) -> str | None:
    limit = call.facts.context_tokens
    if call.operation == "count_tokens" or call.size_bytes <= limit:  # a token is no less than a byte
        return None
    tokens = count_tokens(call)
    return _too_long(call, tokens) if tokens > limit else None


_TOKENS_TOO_MANY = 403
"""LiteLLM on Vertex takes every error in whose text it finds these digits for a 403 (`_map_vertex_exception` in
1.106.2), and token counts are where users meet them by chance."""


def too_long_message(call: Call) -> str:
    """What a prompt gets that the model can nearly take."""
    return _too_long(call, call.facts.context_tokens + _TOKENS_TOO_MANY)


def _too_long(call: Call, tokens: int) -> str:
    if call.provider == "bedrock_converse":
        return "The model returned the following errors: Input is too long for requested model."
    if call.provider == "bedrock_invoke":
        return "Input is too long for requested model."
    return f"prompt is too long: {tokens} tokens > {call.facts.context_tokens} maximum"


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
