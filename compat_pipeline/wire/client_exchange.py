"""The client exchange: one request of the CLI and what the proxy answered, read from the bytes that passed."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Literal

import httpx
from httpx_sse import EventSource
from pydantic import BaseModel, ConfigDict

from compat_pipeline.wire.grammar import check_message_events

Json = dict[str, Any]
RawHeaders = Iterable[tuple[bytes, bytes]]
Operation = Literal["messages", "count_tokens", "other"]

HUNG_UP = "the client hung up"
_OK = 200
_CREDENTIALS = frozenset(
    {"api-key", "authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "x-litellm-api-key"}
)
_UNREADABLE_KEPT_CHARS = 2000


class ClientExchange(BaseModel):
    """One request and its response, seen from the CLI. Credential headers are not in it.

    `path` is with the query, and as the proxy saw it. `events` are the server-sent events in order, () for another
    answer; each one's `type` is its SSE event name, by which clients go. `body` is a JSON answer, `unreadable` the
    start of one that is neither. `status` is 0 where no answer came. `broken` says how the transfer ended early.
    Times are seconds since the epoch; `first_byte_at` is that of the body. `paused_s` is the longest wait between two
    pieces of the body, and `paused_after` how many of the events had come before it; a wait too short to tell is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    path: str
    request_headers: dict[str, str]
    request: Json
    status: int
    response_headers: dict[str, str]
    events: tuple[Json, ...]
    body: Json | None
    unreadable: str | None = None
    broken: str | None
    started_at: float
    first_byte_at: float
    finished_at: float
    paused_s: float = 0.0
    paused_after: int = 0

    @property
    def operation(self) -> Operation:
        return operation_of(self.path)

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return self.request.get("stream") is True

    @cached_property
    def message(self) -> Json | None:
        """The message that the CLI was given, None if it got none."""
        if self.events:
            return message_of(self.events)
        return self.body if self.body and self.body.get("type") == "message" else None

    @cached_property
    def violations(self) -> list[str]:
        """What is wrong with the stream; a stream that was asked for and granted but did not come is wrong too.

        Of a transfer that ended early, only what came can be wrong.
        """
        due = self.streamed and self.operation == "messages" and self.status == _OK
        return check_message_events(self.events, cut=bool(self.broken)) if due or self.events else []

    @property
    def refusal(self) -> str | None:
        """What was said instead of an answer, None if the answer was a success."""
        if self.status == _OK:
            return None
        return str((self.body or {}).get("error") or self.unreadable or self.broken or f"status {self.status}")

    @property
    def retry_after_s(self) -> float | None:
        """How long the answer asks to wait, from seconds or an HTTP date; None if it does not say."""
        told = self.response_headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", told, re.ASCII):
            return float(told)
        try:
            due = parsedate_to_datetime(told)
        except (ValueError, OverflowError):
            return None
        due = due if due.tzinfo else due.replace(tzinfo=timezone.utc)
        return max(0.0, due.timestamp() - self.first_byte_at)


def operation_of(path: str) -> Operation:
    """What a request to `path` asks for."""
    place = path.partition("?")[0]
    if place.endswith("/v1/messages"):
        return "messages"
    return "count_tokens" if place.endswith("/v1/messages/count_tokens") else "other"


def readable_headers(headers: RawHeaders, *, credentials: bool = False) -> dict[str, str]:
    """Headers by their lower-case name, repeated ones joined; those that hold `credentials` only if asked for."""
    readable: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if credentials or name not in _CREDENTIALS:
            readable[name] = f"{readable[name]}, {value}" if name in readable else value
    return readable


def read_request(data: bytes) -> Json:
    """A request's JSON object; {} if it holds none."""
    return _object(data) or {}


def read_answer(headers: RawHeaders, data: bytes) -> tuple[tuple[Json, ...], Json | None, str | None]:
    """The events, the JSON object, or the start of the text that the bytes of an answer hold, whatever its encoding."""
    response = decoded(headers, data)
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return tuple(_events(response)), None, None
    body = _object(response.content)
    return (), body, None if body is not None or not response.content else response.text[:_UNREADABLE_KEPT_CHARS]


def message_of(events: Iterable[Mapping[str, Any]]) -> Json | None:
    """The message that events add up to, None without a `message_start`. What breaks the grammar is passed over."""
    message: Json | None = None
    partial: dict[int | None, str] = {}
    blocks: dict[int | None, Json] = {}
    for event in events:
        index = _number(event.get("index"))
        match event.get("type"):
            case "message_start" if isinstance(event.get("message"), dict):
                message = copy.deepcopy(event["message"])
                message["content"], partial, blocks = [], {}, {}
            case "content_block_start" if message is not None and isinstance(event.get("content_block"), dict):
                blocks[index] = copy.deepcopy(event["content_block"])
                message["content"].append(blocks[index])
            case "content_block_delta" if index in blocks:
                _add(_mapping(event.get("delta")), blocks[index], partial, index)
            case "content_block_stop" if partial.get(index):
                blocks[index]["input"] = _object(partial[index].encode()) or {}
            case "message_delta" if message is not None:
                _finish(message, event)
    return message


def _add(delta: Json, block: Json, partial: dict[int | None, str], index: int | None) -> None:
    match (delta.get("type"), block.get("type")):
        case ("text_delta", "text"):
            block["text"] = _text(block.get("text")) + _text(delta.get("text"))
        case ("thinking_delta", "thinking"):
            block["thinking"] = _text(block.get("thinking")) + _text(delta.get("thinking"))
        case ("signature_delta", "thinking"):
            block["signature"] = _text(delta.get("signature"))
        case ("citations_delta", "text"):
            block["citations"] = [*_list(block.get("citations")), delta.get("citation")]
        case ("input_json_delta", "tool_use" | "server_tool_use"):
            partial[index] = partial.get(index, "") + _text(delta.get("partial_json"))


def _finish(message: Json, event: Mapping[str, Any]) -> None:
    """Counts in a `message_delta` are totals so far: they overwrite, and one that is left out stays.

    The content is what the blocks add up to, whatever else the delta holds.
    """
    told = {name: value for name, value in _mapping(event.get("usage")).items() if value is not None}
    usage = {**_mapping(message.get("usage")), **told}
    message.update({**_mapping(event.get("delta")), "content": message["content"], "usage": usage})
    if "context_management" in event:
        message["context_management"] = event["context_management"]


def decoded(headers: RawHeaders, data: bytes) -> httpx.Response:
    """The bytes of an answer with their content encoding undone, as far as they allow it."""
    try:
        return httpx.Response(_OK, headers=list(headers), content=data)
    except httpx.DecodingError:
        return httpx.Response(_OK, content=data)


def _events(response: httpx.Response) -> Iterator[Json]:
    for event in EventSource(response).iter_sse():
        try:
            data = json.loads(event.data)
        except (ValueError, RecursionError):
            data = {"unreadable": event.data[:_UNREADABLE_KEPT_CHARS]}
        yield {**(data if isinstance(data, dict) else {"unreadable": data}), "type": event.event}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(data: bytes) -> Json | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
