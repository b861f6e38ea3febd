"""A request for each rule on requests that breaks it, at a provider that has the rule, and what it must be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compat_pipeline.emulator.contract import Provider
from compat_pipeline.emulator.thinking import sealed
from compat_pipeline_tests.emulator.emulated import (
    BASH,
    HAIKU,
    OPUS,
    SONNET,
    Json,
    ask,
    assistant,
    call_of,
    tool_result,
    user,
)

MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
FORGED = {"type": "thinking", "thinking": "I never said so.", "signature": "Zm9yZ2Vk"}
DEFERRED = {**BASH, "defer_loading": True}
SEARCH = {**BASH, "name": "ToolSearch"}
DATED_HAIKU = "haiku-4-5-20251001-v1:0"
WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
TOOL_SEARCH_BETA = "tool-search-tool-2025-10-19"
SCHEMA = {"type": "json_schema", "schema": {"type": "object"}}
TOOL_USE = {"toolUse": {"toolUseId": "tooluse_1", "name": "Bash", "input": {}}}
DOCUMENT = {"document": {"name": "a", "format": "pdf", "source": {"bytes": "JVBERg=="}}}


@dataclass(frozen=True)
class Violation:
    """A request that breaks one rule at one provider, and a part of the message it must get."""

    rule: str
    provider: Provider
    message: str
    request: Json
    model: str = SONNET
    betas: tuple[str, ...] = ()
    counting: bool = False

    def __str__(self) -> str:
        return f"{self.rule}-{self.provider}"


def converse(*messages: Json, **fields: Any) -> Json:
    return {"messages": list(messages), **fields}


def talk(nonce: str, *more: Json) -> Json:
    """A Converse user turn."""
    return {"role": "user", "content": [{"text": f"Hello {nonce}"}, *more]}


def thought(**text: Any) -> Json:
    return {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": text}}, {"text": "Hi"}]}


def searched(words: str, name: str) -> list[Json]:
    """A conversation in which a client's tool search found the tool `name`."""
    found = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "tool_reference", "tool_name": name}],
    }
    return [
        user(words),
        assistant({"type": "tool_use", "id": "toolu_1", "name": "ToolSearch", "input": {}}),
        user(found),
    ]


def half_a_thought() -> Json:
    """Thinking of ours, of which a block is missing."""
    whole = [{"type": "thinking", "thinking": "So.", "signature": ""}, {"type": "redacted_thinking", "data": ""}]
    return sealed(call_of({}), whole)[0]


def violations(nonce: str) -> list[Violation]:
    words = f"Hello {nonce}"
    marked = [{"type": "text", "text": "one", **MARK}] * 5
    late_hour = [{"type": "text", "text": "one", **MARK}, {"type": "text", "text": "two", **HOUR}]
    tool_turns = [
        user(words),
        assistant({"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}),
        user(tool_result("toolu_1", "out")),
    ]
    budget = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    return [
        Violation(
            "C14",
            "bedrock_converse",
            "reasoningText.text",
            converse(talk(nonce), thought(text=None, signature="s"), talk(nonce)),
        ),
        Violation(
            "C14",
            "bedrock_converse",
            "Member must not be null",
            converse(talk(nonce), thought(signature="s"), talk(nonce)),
        ),
        Violation(
            "C16",
            "bedrock_converse",
            "The model returned the following errors: tool_choice.type: Field required",
            converse(talk(nonce), inferenceConfig={"maxTokens": 9, "tool_choice": {"type": "auto"}}),
        ),
        Violation("T2", "bedrock_converse", "1 validation error detected", converse(talk(nonce), system="not a list")),
        Violation(
            "X2-beta", "bedrock_invoke", "invalid beta flag", ask(words, anthropic_beta=["mcp-servers-2025-12-04"])
        ),
        Violation(
            "X2-beta",
            "bedrock_converse",
            "The model returned the following errors: invalid beta flag",
            converse(talk(nonce), additionalModelRequestFields={"anthropic_beta": ["claude-code-20250219"]}),
        ),
        Violation(
            "X1",
            "bedrock_invoke",
            "does not match any of the expected tags: 'bash_20250124', 'custom'",
            ask(words, tools=[{"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}]),
        ),
        Violation("X2", "anthropic", "fast: Extra inputs are not permitted", ask(words, fast=True)),
        Violation("X2", "vertex_ai", "model: Extra inputs are not permitted", ask(words, model="claude-sonnet-4-6")),
        Violation(
            "X2",
            "azure",
            "tools.0.custom.eager: Extra inputs are not permitted",
            ask(words, tools=[{**BASH, "eager": True}]),
        ),
        Violation("X2", "bedrock_invoke", "stream: Extra inputs are not permitted", ask(words, stream=True)),
        Violation(
            "X2",
            "bedrock_converse",
            "The model returned the following errors: reasoning: Extra inputs are not permitted",
            converse(talk(nonce), additionalModelRequestFields={"reasoning": 1}),
        ),
        Violation(
            "X2",
            "anthropic",
            "system.0.cache_control.ephemeral.scope: Extra inputs are not permitted",
            ask(words, system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "scope": "x"}}]),
        ),
        Violation("P1", "anthropic", "`temperature` is deprecated", ask(words, temperature=1.0), OPUS),
        Violation(
            "P1",
            "bedrock_converse",
            "The model returned the following errors: `temperature` is deprecated for this model.",
            converse(talk(nonce), inferenceConfig={"temperature": 1.0}),
            OPUS,
        ),
        Violation("T1", "anthropic", "max_tokens: Field required", {"messages": [user(words)]}),
        Violation(
            "T1",
            "anthropic",
            "messages.0.content.1.image.source.base64.media_type",
            ask(
                words,
                messages=[
                    user(words, {"type": "image", "source": {"type": "base64", "media_type": "image/x", "data": ""}})
                ],
            ),
        ),
        Violation(
            "T1",
            "bedrock_invoke",
            "anthropic_version: Input should be a valid string",
            {"anthropic_version": None, **ask(words)},
        ),
        Violation(
            "X2-gated",
            "anthropic",
            "context_management: Extra inputs are not permitted",
            ask(words, context_management={"edits": []}),
        ),
        Violation(
            "C15-empty",
            "bedrock_converse",
            "messages.1 is empty",
            converse(talk(nonce), {"role": "assistant", "content": []}, talk(nonce)),
        ),
        Violation(
            "C15-empty",
            "azure",
            "messages.1: all messages must have non-empty content",
            ask(words, messages=[user(words), assistant(), user("more")]),
        ),
        Violation("C15", "bedrock_converse", "messages.0.content.1 is blank", converse(talk(nonce, {"text": " "}))),
        Violation("C15", "vertex_ai", "text content blocks must be non-empty", ask(words, messages=[user(words, "")])),
        Violation(
            "C15-document",
            "bedrock_converse",
            "A text block must be included when using documents.",
            converse(
                talk(nonce), {"role": "assistant", "content": [{"text": "Hi"}]}, {"role": "user", "content": [DOCUMENT]}
            ),
        ),
        Violation(
            "M1", "anthropic", '"thinking.type.enabled" is not supported for this model', ask(words, **budget), OPUS
        ),
        Violation(
            "M1",
            "azure",
            "adaptive thinking is not supported on this model",
            ask(words, thinking={"type": "adaptive"}),
            HAIKU,
        ),
        Violation(
            "M1-effort",
            "anthropic",
            "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.",
            ask(words, output_config={"effort": "xhigh"}),
        ),
        Violation(
            "M1-effort",
            "bedrock_converse",
            "The model returned the following errors: This model does not support effort level 'xhigh'.",
            converse(talk(nonce), additionalModelRequestFields={"output_config": {"effort": "xhigh"}}),
        ),
        Violation(
            "M1-effort",
            "azure",
            "This model does not support the effort parameter.",
            ask(words, output_config={"effort": "low"}),
            HAIKU,
        ),
        Violation(
            "V1", "vertex_ai", "`max_tokens` must be greater than `thinking.budget_tokens`", ask(words, **budget), HAIKU
        ),
        Violation(
            "C13",
            "anthropic",
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            ask(words, messages=[user(words), assistant(FORGED, "Hi"), user("more")]),
        ),
        Violation(
            "C13",
            "bedrock_converse",
            "Invalid `signature` in `thinking` block",
            converse(talk(nonce), thought(text="I never said so.", signature="Zm9yZ2Vk"), talk(nonce)),
        ),
        Violation(
            "C13-missing",
            "anthropic",
            "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
            ask(words, max_tokens=4096, messages=tool_turns, **budget),
            HAIKU,
        ),
        Violation(
            "U1",
            "anthropic",
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1.",
            ask(words, messages=[*tool_turns[:2], user("more")]),
        ),
        Violation(
            "U1",
            "bedrock_converse",
            "Expected toolResult blocks at messages.2.content for the following Ids: tooluse_1",
            converse(talk(nonce), {"role": "assistant", "content": [TOOL_USE]}, talk(nonce)),
        ),
        Violation(
            "U2",
            "vertex_ai",
            "unexpected `tool_use_id` found in `tool_result` blocks: toolu_2",
            ask(words, messages=[*tool_turns[:2], user(tool_result("toolu_1", "a"), tool_result("toolu_2", "b"))]),
        ),
        Violation(
            "U2",
            "bedrock_converse",
            "exceeds the number of toolUse blocks of previous turn",
            converse(talk(nonce, {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "out"}]}})),
        ),
        Violation(
            "K1",
            "anthropic",
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
            ask(words, system=marked),
        ),
        Violation(
            "N1",
            "bedrock_invoke",
            "The provided model doesn't support counting tokens.",
            {"anthropic_version": "bedrock-2023-05-31", **ask(words)},
            "us.anthropic.claude-sonnet-4-6",
            counting=True,
        ),
        Violation(
            "N1",
            "bedrock_converse",
            "The provided model doesn't support counting tokens.",
            converse(talk(nonce)),
            "anthropic.claude-opus-4-7",
            counting=True,
        ),
        Violation(
            "F1-converse",
            "bedrock_converse",
            "The model returned the following errors: output_config.format: Extra inputs are not permitted",
            converse(talk(nonce), additionalModelRequestFields={"output_config": {"format": SCHEMA}}),
        ),
        Violation(
            "S1",
            "bedrock_converse",
            "The tool-search-tool beta feature is not currently supported on the Converse and ConverseStream APIs",
            converse(talk(nonce), additionalModelRequestFields={"anthropic_beta": [TOOL_SEARCH_BETA]}),
        ),
        Violation(
            "X2-beta-vertex",
            "vertex_ai",
            "Unexpected value(s) `advanced-tool-use-2025-11-20`, `prompt-caching-scope-2026-01-05` for the",
            ask(words),
            betas=("prompt-caching-scope-2026-01-05", "context-1m-2025-08-07", "advanced-tool-use-2025-11-20"),
        ),
        Violation(
            "X2-beta-vertex",
            "vertex_ai",
            "Unexpected value(s) `web-search-2025-03-05` for the `anthropic-beta` header.",
            {"messages": [user(words)]},
            betas=("web-search-2025-03-05", "effort-2025-11-24"),
            counting=True,
        ),
        Violation("W1", "bedrock_invoke", "The provided request is not valid", ask(words, tools=[WEB_SEARCH])),
        Violation(
            "X1",
            "vertex_ai",
            "tools.0: Input tag 'web_search_20250305' found using 'type' does not match any of the expected tags: "
            "'bash_20250124', 'custom', 'text_editor_20250124', 'text_editor_20250429', 'text_editor_20250728'",
            ask(words, tools=[WEB_SEARCH]),
        ),
        Violation(
            "X2-eager",
            "bedrock_invoke",
            "tools.0.custom.eager_input_streaming: Extra inputs are not permitted",
            ask(
                words,
                tools=[{**BASH, "eager_input_streaming": True}],
                anthropic_beta=["fine-grained-tool-streaming-2025-05-14"],
            ),
        ),
        Violation(
            "S2",
            "vertex_ai",
            "tools.1.custom.defer_loading: Extra inputs are not permitted",
            ask(words, tools=[SEARCH, DEFERRED]),
        ),
        Violation(
            "S3",
            "bedrock_invoke",
            "messages.2.content.0.tool_result.content.0: Input tag 'tool_reference' found using 'type'",
            ask(words, tools=[SEARCH, BASH], messages=searched(words, "Bash")),
        ),
        Violation("S4", "azure", "All tools have defer_loading set.", ask(words, tools=[DEFERRED])),
        Violation(
            "S5",
            "anthropic",
            "Tool reference 'Read' not found in available tools",
            ask(words, tools=[SEARCH, DEFERRED], messages=searched(words, "Read")),
        ),
        Violation(
            "C13",
            "anthropic",
            "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
            ask(words, messages=[user(words), assistant({"type": "redacted_thinking", "data": "QUJD"}), user("more")]),
        ),
        Violation(
            "C13-whole",
            "anthropic",
            "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be",
            ask(
                words,
                thinking={"type": "adaptive"},
                messages=[user(words), assistant(half_a_thought(), "Hi"), user("more")],
            ),
        ),
        Violation("L1", "azure", " tokens > 200000 maximum", ask(words + "x" * 400_000), HAIKU),
        Violation(
            "L1", "bedrock_invoke", "Input is too long for requested model.", ask(words + "x" * 400_000), DATED_HAIKU
        ),
        Violation("K2", "bedrock_invoke", "must not come after a ttl='5m'", ask(words, system=late_hour)),
    ]
