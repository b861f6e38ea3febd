"""Evidence made by hand: what a cell with two turns leaves."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Any

from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.evidence import CallEvidence, Evidence
from compat_pipeline.wire.exchange import Exchange

NOON_S = 1_770_000_000.0

_USAGE = {"input_tokens": 1200, "output_tokens": 1, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 900}


def prose(subject: str, words: int) -> str:
    """The same words for the same subject, which no compression makes small."""
    return " ".join(hashlib.sha256(f"{subject} {number}".encode()).hexdigest()[:8] for number in range(words))


def system_prompt(folder: str) -> list[dict[str, Any]]:
    """A long prompt whose last section names the working folder."""
    text = "\n".join(f"# Part {number}\n{prose(f'part {number}', 200)}" for number in range(12))
    return [
        {
            "type": "text",
            "text": f"{text}\n# Environment\nYou work in {folder}.",
            "cache_control": {"type": "ephemeral"},
        }
    ]


def tools() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "description": prose(name, 100),
            "input_schema": {"type": "object", "properties": {"command": {"description": prose(f"{name} it", 100)}}},
        }
        for name in ("Bash", "Read", "Write")
    ]


def request(words: str, folder: str = "/srv/work") -> dict[str, Any]:
    """What the CLI sends for `words`."""
    return {
        "model": "bedrock_converse/claude-sonnet-4-6",
        "stream": True,
        "max_tokens": 32000,
        "system": system_prompt(folder),
        "tools": tools(),
        "thinking": {"type": "enabled", "budget_tokens": 31999},
        "context_management": {"edits": []},
        "messages": [{"role": "user", "content": [{"type": "text", "text": words}]}],
    }


def events(text: str, stop_reason: str = "end_turn") -> tuple[dict[str, Any], ...]:
    """A sound stream that says `text`."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": _USAGE}
    return (
        {"type": "message_start", "message": message | {"stop_reason": None, "stop_sequence": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 12}},
        {"type": "message_stop"},
    )


def client_exchange(words: str, answer: str, **fields: Any) -> ClientExchange:
    return ClientExchange(
        **{
            "method": "POST",
            "path": "/v1/messages?beta=true",
            "request_headers": {
                "anthropic-beta": "claude-code-20250219,context-1m-2025-08-07",
                "user-agent": "claude-cli",
            },
            "request": request(words),
            "status": 200,
            "response_headers": {"x-litellm-version": "1.106.2"},
            "events": events(answer),
            "body": None,
            "broken": None,
            "started_at": NOON_S,
            "first_byte_at": NOON_S + 0.2,
            "finished_at": NOON_S + 0.5,
            **fields,
        }
    )


def upstream_exchange(words: str, answer: str, **fields: Any) -> Exchange:
    asked = request(words)
    del asked["context_management"]
    asked["max_tokens"] = 8192
    asked["metadata"] = {}
    return Exchange(
        **{
            "provider": "bedrock_converse",
            "operation": "messages",
            "model": "us.anthropic.claude-sonnet-4-6",
            "streamed": True,
            "headers": {"anthropic-beta": "claude-code-20250219", "user-agent": "litellm/1.106.2"},
            "request": asked,
            "status": 200,
            "reply": {
                "content": [{"type": "text", "text": answer}],
                "stop_reason": "end_turn",
                "usage": _USAGE | {"output_tokens": 12},
            },
            "started_at": NOON_S + 0.05,
            "finished_at": NOON_S + 0.45,
            **fields,
        }
    )


def evidence(words: str = "Reply with nonce-0123456789ab", **fields: Any) -> Evidence:
    """One call with one exchange, seen from both sides."""
    answer = "nonce-0123456789ab"
    call = CallEvidence(
        argv=("/cache/claude", "-p", "--model", "bedrock_converse/claude-sonnet-4-6", "--", words),
        env={"HOME": "/srv/home", "LANG": "C.UTF-8"},
        events=({"type": "system", "subtype": "init"}, {"type": "result", "result": answer}, "not json"),
        exit_code=0,
        started_at=NOON_S,
        duration_s=1.5,
        cpu_s=0.75,
        exchanges=(client_exchange(words, answer),),
        upstream=(upstream_exchange(words, answer),),
    )
    return Evidence(
        **{
            "cell": "tool_use|bedrock_converse/claude-sonnet-4-6",
            "fault": None,
            "observed_at": datetime.fromtimestamp(NOON_S, timezone.utc),
            "status": "pass",
            "cause": None,
            "explanation": "",
            "litellm_version": "1.106.2",
            "claude_code_version": "2.1.329",
            "suite_revision": "0f" * 32,
            "config_digest": "1e" * 32,
            "variant": "default",
            "upstream": "emulated",
            "calls": (call,),
            **fields,
        }
    )
