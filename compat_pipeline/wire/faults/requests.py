"""Faults on the way to the proxy: something the CLI sent does not arrive, or arrives as something else."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from compat_pipeline.wire.client_exchange import Json
from compat_pipeline.wire.faults.asking import (
    OnRequest,
    blocks_of,
    drop_type,
    in_blocks,
    in_body,
    in_headers,
    in_markers,
    in_results,
    is_prompt,
    without,
)
from compat_pipeline.wire.faults.fault import Fault
from compat_pipeline.wire.faults.rows import CACHING, REPLAYED, TALKS, THINKING, rows

_CLAMPED_TOKENS = 8192
_SIBLINGS = {
    "claude-haiku-4-5": "claude-sonnet-4-6",
    "claude-opus-4-7": "claude-sonnet-4-6",
    "claude-sonnet-4-6": "claude-opus-4-7",
}
_FREE_TO_ANSWER = THINKING - rows("extended_thinking")
"""Rows in which the model may think as little as it likes; one whose answer has no thinking in it proves nothing."""

_SUMMARY = "This session is being continued from a previous conversation"


def _half_text(block: Json) -> Json:
    return {**block, "text": block["text"][: len(block["text"]) // 2]} if is_prompt(block) else block


def _another_encoding(block: Json) -> Json:
    """The same picture for the eye, from other bytes."""
    if block.get("type") != "image" or block["source"].get("type") != "base64":
        return block
    data = base64.b64encode(base64.b64decode(block["source"]["data"]) + b"\0").decode()
    return {**block, "source": {**block["source"], "data": data}}


def _five_minutes(marker: Json) -> Json:
    return {name: value for name, value in marker.items() if name != "ttl"}


def _no_thinking(body: Json) -> Json:
    """Without the edit of thinking, too: for its sake LiteLLM asks Bedrock's models to think by itself."""
    if "thinking" not in body:
        return body
    rest = {name: value for name, value in body.items() if name not in ("thinking", "context_management")}
    managed = body.get("context_management") or {}
    edits = [edit for edit in managed.get("edits", ()) if not str(edit.get("type")).startswith("clear_thinking_")]
    return {**rest, "context_management": {**managed, "edits": edits}} if edits else rest


def _no_effort(body: Json) -> Json:
    config = {name: value for name, value in (body.get("output_config") or {}).items() if name != "effort"}
    rest = {name: value for name, value in body.items() if name != "output_config"}
    return {**rest, "output_config": config} if config else rest


def _low_effort(body: Json) -> Json:
    config = body.get("output_config") or {}
    return {**body, "output_config": {**config, "effort": "low"}} if "effort" in config else body


def _budget_changed(body: Json) -> Json:
    """The budget as an effort, where the model takes one; half of it, where it takes a budget only."""
    thinking, config = body.get("thinking") or {}, body.get("output_config") or {}
    if thinking.get("type") != "enabled":
        return body
    if "effort" not in config:
        return {**body, "thinking": {**thinking, "budget_tokens": thinking["budget_tokens"] // 2}}
    adaptive = {name: value for name, value in thinking.items() if name != "budget_tokens"} | {"type": "adaptive"}
    return {**body, "thinking": adaptive, "output_config": {**config, "effort": "xhigh"}}


def other_signature(block: Json) -> Json:
    """A signed thinking block with one letter of its signature exchanged, which is still fit for base64."""
    signature = block.get("signature")
    if block.get("type") != "thinking" or not signature:
        return block
    middle = len(signature) // 2
    other = "B" if signature[middle] == "A" else "A"
    return {**block, "signature": signature[:middle] + other + signature[middle + 1 :]}


def _last_prompt_only(body: Json) -> Json:
    """The conversation from its last prompt on: a tool's result is no prompt."""
    messages = body.get("messages", [])
    prompts = [
        number
        for number, message in enumerate(messages)
        if message["role"] == "user" and any(map(is_prompt, blocks_of(message["content"])))
    ]
    return {**body, "messages": messages[prompts[-1] :]} if prompts else body


def _only_first_system_block(body: Json) -> Json:
    system = body.get("system")
    return {**body, "system": system[:1]} if isinstance(system, list) else body


def _without_betas(prefix: str) -> OnRequest:
    def on_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
        betas = [beta.strip() for beta in headers.get("anthropic-beta", "").split(",")]
        kept = ",".join(beta for beta in betas if not beta.startswith(prefix))
        rest = {name: value for name, value in headers.items() if name != "anthropic-beta"}
        if kept == ",".join(betas):
            return headers
        return {**rest, "anthropic-beta": kept} if kept else rest

    return in_headers(on_headers)


def _other_user_agent(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {**headers, "user-agent": "python-httpx/0.28.1"} if "user-agent" in headers else headers


def _other_model(body: Json) -> Json:
    provider, slash, model = str(body.get("model", "")).rpartition("/")
    if model not in _SIBLINGS:
        return body
    # Opus takes no `temperature`, and a refusal would be another fault.
    taken = {name: value for name, value in body.items() if name != "temperature"}
    return {**taken, "model": provider + slash + _SIBLINGS[model]}


def _clamped(body: Json) -> Json:
    return {**body, "max_tokens": _CLAMPED_TOKENS} if body.get("max_tokens", 0) > _CLAMPED_TOKENS else body


REQUEST_FAULTS = (
    Fault(
        "user_text_cut",
        "the second half of what the user wrote is lost",
        "Anthropic Messages: every text block of a user turn reaches the model",
        TALKS,
        on_request=in_blocks(_half_text),
    ),
    Fault(
        "summary_dropped",
        "the summary with which a compacted conversation begins is lost",
        "Anthropic Messages: several text blocks or turns of one role all count",
        rows("compaction"),
        on_request=in_blocks(lambda block: None if block.get("text", "").lstrip().startswith(_SUMMARY) else block),
    ),
    Fault(
        "history_dropped",
        "the model sees the last prompt of a conversation and nothing before it",
        "LiteLLM #25375: earlier turns are lost from a replayed conversation",
        REPLAYED | rows("tool_search", "pdf_input"),
        on_request=in_body(_last_prompt_only),
    ),
    Fault(
        "system_dropped",
        "the system prompt is lost",
        "Anthropic Messages: `system` reaches the model",
        TALKS,
        on_request=without("system"),
    ),
    Fault(
        "system_cut",
        "of several system blocks only the first arrives",
        "Anthropic Messages: `system` may be a list of blocks, and all of them count",
        TALKS,
        on_request=in_body(_only_first_system_block),
    ),
    Fault(
        "model_swapped",
        "another model of the same provider answers",
        "Anthropic Messages: `model` is the one that was asked for (Sonnet silently served by another)",
        TALKS,
        on_request=in_body(_other_model),
    ),
    Fault(
        "max_tokens_clamped",
        "the answer may not be as long as was asked for",
        "LiteLLM #40363: max_tokens clamped to 8192",
        TALKS,
        on_request=in_body(_clamped),
    ),
    Fault(
        "request_sent_twice",
        "every message is asked for twice and paid for twice",
        "LiteLLM #33224: a turn is silently sent again",
        TALKS | rows("error_surfaces"),
        sends=2,
    ),
    Fault(
        "picture_dropped",
        "the model sees no picture",
        "Anthropic vision: an `image` block reaches the model",
        rows("vision"),
        on_request=in_blocks(drop_type("image")),
    ),
    Fault(
        "picture_altered",
        "the model gets other bytes than the user's picture, although it looks the same",
        "Anthropic vision: an `image` block's data is passed on as it is",
        rows("vision"),
        on_request=in_blocks(_another_encoding),
    ),
    Fault(
        "document_dropped",
        "the model sees no document",
        "LiteLLM #24641: document blocks silently dropped on Converse",
        rows("pdf_input"),
        on_request=in_blocks(drop_type("document")),
    ),
    Fault(
        "result_document_dropped",
        "a document that a tool gave back is lost",
        "LiteLLM #38251: `document` inside `tool_result` dropped",
        rows("pdf_input"),
        on_request=in_results(drop_type("document")),
    ),
    Fault(
        "cache_marker_dropped",
        "nothing is marked for the cache",
        "LiteLLM #26625 #41424: cache_control lost",
        CACHING,
        on_request=in_markers(lambda _: None),
    ),
    Fault(
        "message_cache_marker_dropped",
        "the conversation is no longer marked for the cache, the system prompt still is",
        "LiteLLM #32730: cache_control of message blocks lost",
        CACHING,
        on_request=in_markers(lambda _: None, ("messages",)),
    ),
    Fault(
        "cache_hour_shortened",
        "a cache of an hour is asked for as one of five minutes",
        "Anthropic prompt caching: `ttl: 1h` reaches the provider",
        rows("prompt_caching_1h"),
        on_request=in_markers(_five_minutes),
    ),
    Fault(
        "thinking_dropped",
        "nobody asks the model to think",
        "LiteLLM #23380 #27074: thinking silently stripped",
        THINKING,
        on_request=in_body(_no_thinking),
    ),
    Fault(
        "effort_dropped",
        "the effort is lost",
        "LiteLLM #36507: effort dropped on Converse",
        rows("extended_thinking"),
        on_request=in_body(_no_effort),
        diverts=_FREE_TO_ANSWER,
    ),
    Fault(
        "effort_lowered",
        "another effort than was asked for",
        "Anthropic effort: output_config.effort reaches the model as it was asked for",
        rows("extended_thinking"),
        on_request=in_body(_low_effort),
        diverts=_FREE_TO_ANSWER,
    ),
    Fault(
        "thinking_budget_changed",
        "a thinking budget becomes an effort that the model may not know, or another budget",
        "LiteLLM v1.83.9-v1.87.x: budget_tokens mapped to effort=xhigh, a 400 on Sonnet and Opus 4.6",
        rows("extended_thinking"),
        on_request=in_body(_budget_changed),
    ),
    Fault(
        "replayed_signature_altered",
        "a thinking block goes back with another signature",
        "Anthropic extended thinking: a replayed block is unmodified; LiteLLM #25375",
        THINKING,
        on_request=in_blocks(other_signature, "assistant"),
    ),
    Fault(
        "replayed_thinking_dropped",
        "thinking blocks do not go back with the next turn",
        "Anthropic extended thinking: a replayed block is passed back; LiteLLM #38809",
        THINKING,
        on_request=in_blocks(drop_type("thinking"), "assistant"),
    ),
    Fault(
        "replayed_redacted_thinking_dropped",
        "redacted thinking does not go back with the next turn",
        "LiteLLM #25375: redacted_thinking dropped",
        rows("redacted_thinking"),
        on_request=in_blocks(drop_type("redacted_thinking"), "assistant"),
    ),
    Fault(
        "context_1m_beta_dropped",
        "the long context is not asked for",
        "LiteLLM #21870: the 1M header nulled for Vertex AI",
        rows("context_1m"),
        on_request=_without_betas("context-1m-"),
    ),
    Fault(
        "user_agent_replaced",
        "the proxy cannot tell that Claude Code asks",
        "LiteLLM: the user-agent of a request is recorded with its cost",
        rows("attribution"),
        on_request=in_headers(_other_user_agent),
    ),
)
