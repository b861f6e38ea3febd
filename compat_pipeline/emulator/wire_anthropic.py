"""Anthropic's own wire: JSON and server-sent events; Azure and Vertex speak it too, Bedrock Invoke in chunks."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from itertools import chain, islice

from compat_pipeline.emulator.contract import (
    BREAK_AFTER_EVENTS,
    Answer,
    AuthKind,
    Call,
    Incoming,
    Json,
    Provider,
    Refused,
    Reply,
    Wire,
    json_object,
)
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.errors import anthropic_error, error_text


def stream_events(answer: Answer) -> Iterator[Json]:
    """The events of a streamed Message, from message_start to message_stop (source: Anthropic, streaming)."""
    message = answer.message
    start = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    yield {"type": "message_start", "message": start}
    for index, (block, deltas) in enumerate(zip(message["content"], answer.deltas, strict=True)):
        yield {"type": "content_block_start", "index": index, "content_block": _opened(block)}
        if index == 0:
            yield {"type": "ping"}
        for delta in _deltas(block, deltas):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    usage = {name: value for name, value in message["usage"].items() if name != "service_tier"}
    managed = {name: message[name] for name in ("context_management",) if name in message}
    yield {"type": "message_delta", "delta": delta, "usage": usage, **managed}
    yield {"type": "message_stop"}


def _opened(block: Json) -> Json:
    """A block as its start event shows it: nothing said yet; what a tool found, and redacted thinking, come whole."""
    empty: dict[str, Json] = {
        "text": {"text": "", **({"citations": []} if "citations" in block else {})},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
        "server_tool_use": {"input": {}},
    }
    return {**block, **empty.get(block["type"], {})}


def _deltas(block: Json, pieces: tuple[str, ...]) -> Iterator[Json]:
    if block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in pieces)
        if block["signature"]:
            yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] in ("tool_use", "server_tool_use"):
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces))
    elif block["type"] == "text":
        yield from ({"type": "citations_delta", "citation": citation} for citation in block.get("citations", ()))
        yield from ({"type": "text_delta", "text": piece} for piece in pieces)


def whole_message(_: Call, answer: Answer) -> Reply:
    """The Message as one JSON document."""
    return Reply(200, "application/json", json.dumps(answer.message).encode())


def sse(call: Call, answer: Answer) -> Reply:
    """The Message as server-sent events."""
    return Reply(200, "text/event-stream; charset=utf-8", tuple(_sse(call, answer)), {"cache-control": "no-cache"})


def _sse(call: Call, answer: Answer) -> Iterator[bytes]:
    events = stream_events(answer)
    if answer.broken_off:
        error = anthropic_error(error_text("anthropic", answer.broken_off, call.model))
        events = chain(islice(events, BREAK_AFTER_EVENTS), [error])
    for event in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def read_messages(provider: Provider, incoming: Incoming) -> Call:
    """A Messages request is canonical as it is; the betas come in a header."""
    body = json_object(incoming.body)
    return Call(
        provider=provider,
        operation=incoming.operation,
        model=str(body.get("model")),
        streamed=body.get("stream") is True,
        betas=betas_of(incoming),
        request=body,
        body=body,
        size_bytes=len(incoming.body),
    )


def betas_of(incoming: Incoming) -> frozenset[str]:
    """The values of the `anthropic-beta` header."""
    return frozenset(beta.strip() for beta in incoming.headers.get("anthropic-beta", "").split(",") if beta.strip())


def bearer_of(incoming: Incoming) -> str:
    """The bearer token of the `authorization` header, or nothing."""
    scheme, _, token = incoming.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _authenticate(incoming: Incoming, credentials: EmulatorCredentials) -> AuthKind:
    key = incoming.headers.get("x-api-key")
    if key is None and not bearer_of(incoming):
        raise Refused("authentication", "x-api-key header is required")
    if not same(bearer_of(incoming) if key is None else key, credentials.anthropic_api_key):
        raise Refused("authentication", "" if key is not None else "Invalid bearer token")
    if "anthropic-version" not in incoming.headers:
        raise Refused("invalid_request", "anthropic-version: header is required", rule="T1")
    return "bearer" if key is None else "key"


WIRE = Wire(
    provider="anthropic",
    routes=(("/v1/messages", "messages"), ("/v1/messages/count_tokens", "count_tokens")),
    authenticate=_authenticate,
    read=lambda incoming: read_messages("anthropic", incoming),
    whole=whole_message,
    stream=sse,
)
