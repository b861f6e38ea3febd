"""What Bedrock Converse answers, whole or as a stream, in the form of an Anthropic message. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]


def joined(events: Iterable[tuple[str, Json]]) -> Json:
    """The events of a ConverseStream (type, payload) as the body that Converse would have answered."""
    blocks: dict[int, Json] = {}
    body: Json = {}
    for kind, payload in events:
        index = payload.get("contentBlockIndex", 0)
        if kind == "contentBlockStart":
            blocks[index] = {"toolUse": {**payload["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta":
            _add(payload["delta"], blocks.setdefault(index, {}))
        elif kind == "messageStop":
            body |= {"stopReason": payload.get("stopReason")}
        elif kind == "metadata":
            body |= {"usage": payload.get("usage")}
    for block in blocks.values():
        if tool := block.get("toolUse"):
            tool["input"] = _arguments(tool["input"])
    content = [block for _, block in sorted(blocks.items()) if block]
    return {**body, "output": {"message": {"role": "assistant", "content": content}}}


def _add(delta: Json, block: Json) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"].get("input", "")
    elif thought := delta.get("reasoningContent"):
        if "redactedContent" in thought:
            block["reasoningContent"] = {"redactedContent": thought["redactedContent"]}
        else:
            told = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
            told["text"] += thought.get("text") or ""
            if "signature" in thought:
                told["signature"] = thought["signature"]


def _arguments(packed: str) -> Any:
    try:
        return json.loads(packed or "{}")
    except ValueError:  # cut off in the middle
        return {}


def message_of(body: Json, model: str) -> Json:
    """A Converse answer as the message it was made from; it tells no id."""
    said = ((body.get("output") or {}).get("message") or {}).get("content") or []
    return {
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [_block(block) for block in said],
        "stop_reason": body.get("stopReason"),
        "stop_sequence": None,
        "usage": _usage(body.get("usage") or {}),
    }


def _block(block: Json) -> Json:
    kind, value = next(iter(block.items()))
    if kind == "text":
        return {"type": "text", "text": value}
    if kind == "toolUse":
        return {"type": "tool_use", "id": value["toolUseId"], "name": value["name"], "input": value["input"]}
    if kind == "reasoningContent" and "redactedContent" in value:
        return {"type": "redacted_thinking", "data": value["redactedContent"]}
    if kind == "reasoningContent":
        told = value.get("reasoningText") or {}
        return {"type": "thinking", "thinking": told.get("text") or "", "signature": told.get("signature", "")}
    return {"type": kind}


def _usage(usage: Json) -> Json:
    """Converse's counts under Anthropic's names."""
    created = {one.get("ttl"): one.get("inputTokens", 0) for one in usage.get("cacheDetails") or []}
    return {
        "input_tokens": usage.get("inputTokens", 0),
        "cache_creation_input_tokens": usage.get("cacheWriteInputTokens", 0),
        "cache_read_input_tokens": usage.get("cacheReadInputTokens", 0),
        "cache_creation": {f"ephemeral_{ttl}_input_tokens": created.get(ttl, 0) for ttl in ("5m", "1h")},
        "output_tokens": usage.get("outputTokens", 0),
    }
