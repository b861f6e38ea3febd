"""Messages as events and as wholes, for the tests of this room."""

from __future__ import annotations

import copy
import json
from typing import Any

Json = dict[str, Any]

NONCE = "nonce-0123456789ab"
USAGE = {
    "input_tokens": 11,
    "cache_creation_input_tokens": 7,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
    "output_tokens": 1,
}
THINKING = {"type": "thinking", "thinking": "Let me think about it.", "signature": "c2lnbmVkIGJ5IHVz"}
REDACTED = {"type": "redacted_thinking", "data": "ZGFyaw=="}
TEXT = {"type": "text", "text": f"{NONCE} is red, and so on and on."}
BASH = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "echo pong"}}
MCP = {"type": "tool_use", "id": "toolu_2", "name": "mcp__dice__roll", "input": {"sides": 6}}
STRUCTURED = {"type": "tool_use", "id": "toolu_3", "name": "StructuredOutput", "input": {"colour": "red"}}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": NONCE}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "url": "https://example.org", "title": "t", "encrypted_content": "e"}],
}
_PIECE_CHARS = 5
_PAYLOADS = {"text": "text", "thinking": "thinking", "tool_use": "input", "server_tool_use": "input"}


def message(*content: Json, stop_reason: str = "end_turn", **usage: Any) -> Json:
    """A whole message."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": [copy.deepcopy(block) for block in content],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {**copy.deepcopy(USAGE), "output_tokens": 9, **usage},
    }


def stream(whole: Json) -> list[Json]:
    """The events of a message as Anthropic sends them, in small pieces, with a ping among them."""
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    events: list[Json] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(whole["content"]):
        opened, deltas = _parts(block)
        events += [
            {"type": "content_block_start", "index": index, "content_block": opened},
            {"type": "ping"},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}
    told = {name: count for name, count in whole["usage"].items() if name != "cache_creation"}
    return [*events, {"type": "message_delta", "delta": stop, "usage": told}, {"type": "message_stop"}]


def encoded(events: list[Json]) -> bytes:
    """Events as they cross the wire."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def _parts(block: Json) -> tuple[Json, list[Json]]:
    field = _PAYLOADS.get(block["type"])
    if field is None:
        return block, []
    if field == "input":
        return {**block, "input": {}}, _pieces("input_json", json.dumps(block["input"]), "partial_json")
    opened = {**block, field: ""}
    if field == "text":
        return opened, _pieces("text", block["text"])
    signature = {"type": "signature_delta", "signature": block["signature"]}
    return {**opened, "signature": ""}, [*_pieces("thinking", block["thinking"]), signature]


def _pieces(kind: str, text: str, name: str = "") -> list[Json]:
    return [
        {"type": f"{kind}_delta", name or kind: text[start : start + _PIECE_CHARS]}
        for start in range(0, len(text), _PIECE_CHARS)
    ]
