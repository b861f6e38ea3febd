"""What a provider answered, read from the bytes that passed: the message in canonical form, or its own words. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.eventstream import EventStreamBuffer, ParserError

from compat_pipeline.emulator.contract import Call
from compat_pipeline.emulator.eventstream import MEDIA_TYPE as EVENT_STREAM
from compat_pipeline.relay import converse
from compat_pipeline.wire.client_exchange import RawHeaders, decoded, message_of, read_answer

Json = dict[str, Any]

_OK = 200
_WORDS_KEPT_CHARS = 2000
_LENGTH_BYTES = 4


@dataclass(frozen=True)
class Decoded:
    """`reply` is the message, or the tokens counted; `error` the provider's words where it refused or broke off.

    `whole`: whether all of the answer was there.
    """

    reply: Json | None
    error: str | None = None
    whole: bool = True


def decode(call: Call, status: int, headers: RawHeaders, data: bytes) -> Decoded:
    """What `data`, the body of an answer as it passed, says to `call`."""
    if status != _OK:
        return Decoded(None, _words(decoded(headers, data).content))
    if _media_type(headers) == EVENT_STREAM:
        return _from_event_stream(call, data)
    events, body, unreadable = read_answer(headers, data)
    if events:
        return _from_events(events)
    if body is None:
        return Decoded(None, unreadable, whole=False)
    if call.operation == "count_tokens":
        return Decoded({"input_tokens": body.get("input_tokens", body.get("inputTokens"))})
    return Decoded(converse.message_of(body, call.model) if call.provider == "bedrock_converse" else body)


def end_of_event(number: int, headers: RawHeaders, data: bytes) -> int | None:
    """Where in the bytes of a stream its event of that `number` (from 1) ends; None if it has not come."""
    place = 0
    for _ in range(number):
        if _media_type(headers) == EVENT_STREAM:
            place += int.from_bytes(data[place : place + _LENGTH_BYTES], "big") or len(data) + 1
        else:
            place = data.find(b"\n\n", place) + 2
        if place > len(data) or place < _LENGTH_BYTES:
            return None
    return place


def _media_type(headers: RawHeaders) -> str:
    given = next((value for name, value in headers if name == b"content-type"), b"")
    return given.decode("latin-1").partition(";")[0].strip()


def _from_events(events: Iterable[Json]) -> Decoded:
    """Anthropic's own events."""
    events = tuple(events)
    kinds = {event.get("type") for event in events}
    broken = next((event for event in events if event.get("type") == "error"), None)
    error = _words(json.dumps(broken).encode()) if broken else None
    return Decoded(message_of(events), error, whole=bool(broken) or "message_stop" in kinds)


def _from_event_stream(call: Call, data: bytes) -> Decoded:
    """AWS's frames: Anthropic's events in chunks (Invoke), or Converse's own; both may end with an exception."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    events: list[tuple[str, Json]] = []
    error: str | None = None
    try:
        frames: Iterable[Any] = buffer
        for frame in frames:
            if frame.headers.get(":message-type") == "event":
                events.append((str(frame.headers.get(":event-type")), json.loads(frame.payload)))
            else:
                error = _words(frame.payload)
    except (ParserError, ValueError) as unreadable:
        error = f"a frame that cannot be read: {unreadable}"
    if call.provider == "bedrock_converse":
        body = converse.joined(events)
        reply = converse.message_of(body, call.model) if events else None
        return Decoded(reply, error, whole=bool(error) or "usage" in body)
    inner = [json.loads(base64.b64decode(payload["bytes"])) for kind, payload in events if kind == "chunk"]
    found = _from_events(inner)
    return Decoded(found.reply, error or found.error, whole=bool(error) or found.whole)


def _words(data: bytes) -> str:
    """The message in an error's body, wherever that provider puts it; the body itself if there is none."""
    text = data.decode(errors="replace")[:_WORDS_KEPT_CHARS]
    try:
        body = json.loads(data)
    except ValueError:
        return text or "no reason given"
    if isinstance(body, list) and body:  # Vertex, asked for a stream
        body = body[0]
    error = body.get("error", body) if isinstance(body, dict) else body
    told = (error.get("message") or error.get("Message")) if isinstance(error, dict) else error
    return str(told or text)
