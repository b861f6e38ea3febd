"""The grammar of Anthropic's event stream, checked strictly over parsed events.

Source of the rules: Anthropic's documentation of streaming messages, and the LiteLLM bugs named at each rule below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]

_DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "redacted_thinking": set[str](),
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
    "web_search_tool_result": set[str](),
}
_PAYLOAD: dict[str, tuple[str, type]] = {
    "text_delta": ("text", str),
    "citations_delta": ("citation", dict),
    "thinking_delta": ("thinking", str),
    "signature_delta": ("signature", str),
    "input_json_delta": ("partial_json", str),
}
_STOP_REASONS = {
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
}
_TOOLS = {"tool_use", "server_tool_use"}
_RULED = (
    *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
    *("message_delta", "message_stop", "error"),
)
_NAMELESS = (None, "message")
"""What an event is called that has no name: in JSON, and by default among server-sent events."""


def _split_messages(events: Sequence[Event]) -> list[list[Event]]:
    """The events of a conversation, message by message: each begins at a `message_start`."""
    messages: list[list[Event]] = []
    for event in events:
        if event.get("type") == "message_start" or not messages:
            messages.append([])
        messages[-1].append(event)
    return messages


def check_message_events(events: Sequence[Event], *, cut: bool = False) -> list[str]:
    """What is wrong with the events of one or more messages, in plain words; empty if nothing is.

    Sub-agents' messages must not be mixed in: messages come one after the other. With several messages each
    violation names the one it is in. Pings, and types that are new, may come at any time and are passed over. Of a
    stream that was `cut`, nothing is wrong with what is missing at its end.
    """
    messages = _split_messages([event for event in events if event.get("type") in (*_RULED, *_NAMELESS)])
    if not messages:
        return [] if cut else ["there are no events"]
    ends = [*(True for _ in messages[1:]), not cut]
    broken = [list(_Message().check(message, ends=end)) for message, end in zip(messages, ends, strict=True)]
    if len(messages) == 1:
        return broken[0]
    return [f"message {number}: {rule}" for number, rules in enumerate(broken, 1) for rule in rules]


@dataclass
class _Message:
    """The state of one message while its events are read."""

    next_index: int = 0
    open: int | None = None
    kind: str = ""
    partial_json: list[str] = field(default_factory=list)
    started: bool = False
    finished: bool = False
    stopped: bool = False
    stop_reason: object = None
    kinds: list[str] = field(default_factory=list)

    def check(self, events: Sequence[Event], *, ends: bool) -> Iterator[str]:
        for event in events:
            yield from self._event(event)
        if ends:
            yield from self._end()

    def _end(self) -> Iterator[str]:
        if self.open is not None:
            yield f"content block {self.open} ({self.kind}) is never stopped"
        if not self.finished:
            yield "there is no message_delta with the stop reason"
        elif str(self.stop_reason) not in _STOP_REASONS:
            yield f"message_delta has the stop reason {self.stop_reason!r}"
        if not self.stopped:
            yield "there is no message_stop: the stream was cut"
        if self.stop_reason == "tool_use" and not _TOOLS & set(self.kinds):
            yield "the stop reason is tool_use, but there is no tool_use block"

    def _event(self, event: Event) -> Iterator[str]:
        kind = event.get("type")
        if kind == "error":
            yield f"the stream carries an error: {_mapping(event.get('error')).get('message')}"
            return
        if not self.started and kind != "message_start":
            yield f"{kind} comes before message_start"
        if self.stopped:
            yield f"{kind} comes after message_stop"
        match kind:
            case "message_start":
                yield from self._message_start(_mapping(event.get("message")))
            case "content_block_start":
                yield from self._block_start(event.get("index"), _mapping(event.get("content_block")))
            case "content_block_delta":
                yield from self._block_delta(event.get("index"), _mapping(event.get("delta")))
            case "content_block_stop":
                yield from self._block_stop(event.get("index"))
            case "message_delta":
                yield from self._message_delta(event)
            case "message_stop":
                yield from self._message_stop()
            case _:
                yield "an event has no name"

    def _message_start(self, message: Event) -> Iterator[str]:
        self.started = True
        if message.get("role") != "assistant":
            yield f"message_start has the role {message.get('role')!r}, not 'assistant'"
        if message.get("content"):
            yield "message_start already has content"
        if not isinstance(_mapping(message.get("usage")).get("input_tokens"), int):
            yield "message_start has no usage with input_tokens"

    def _block_start(self, index: object, block: Event) -> Iterator[str]:
        kind = str(block.get("type"))
        if self.open is not None:
            yield f"content block {index} starts while {self.open} ({self.kind}) is open"
        if index != self.next_index:
            yield f"content block {index} starts where {self.next_index} is due"
        if self.finished:
            yield f"content block {index} starts after message_delta"
        if kind not in _DELTAS:
            yield f"content block {index} has the unknown type {kind!r}"
        if kind in _TOOLS and not (block.get("id") and block.get("name")):
            yield f"content block {index} ({kind}) has no id or no name"
        self.open = index if isinstance(index, int) else self.next_index
        self.next_index, self.kind, self.partial_json = self.open + 1, kind, []
        self.kinds.append(kind)

    def _block_delta(self, index: object, delta: Event) -> Iterator[str]:
        kind = str(delta.get("type"))
        if self.open is None:
            yield f"{kind} for content block {index}, but none is open"
            return
        if index != self.open:
            yield f"{kind} for content block {index}, but {self.open} ({self.kind}) is open"
        if kind not in _PAYLOAD:
            yield f"content block {self.open} gets the unknown delta {kind!r}"
        # LiteLLM #29441 and #33224: the CLI answers this with "Content block is not a text block", or asks again.
        elif self.kind in _DELTAS and kind not in _DELTAS[self.kind]:
            yield f"{kind} into content block {self.open}, which is a {self.kind} block"
        else:
            yield from self._payload(kind, delta)

    def _payload(self, kind: str, delta: Event) -> Iterator[str]:
        name, due = _PAYLOAD[kind]
        if name not in delta:
            yield f"{kind} without '{name}'"
        elif not isinstance(delta[name], due):
            yield f"{kind} has {repr(delta[name])[:80]} for its '{name}'"
        elif kind == "input_json_delta":
            self.partial_json.append(delta[name])

    def _block_stop(self, index: object) -> Iterator[str]:
        if index != self.open:
            state = f"{self.open} ({self.kind}) is open" if self.open is not None else "none is open"
            yield f"content_block_stop for {index}, but {state}"
        # LiteLLM #15307, #25561, #29491: input that comes in parts must add up to one JSON object.
        if self.kind in _TOOLS and (whole := "".join(self.partial_json)) and not _is_object(whole):
            yield f"the input of content block {index} ({self.kind}) is not a JSON object: {whole[:80]}"
        self.open = None

    def _message_delta(self, event: Event) -> Iterator[str]:
        """There may be several: their counts are totals so far, and the last stop reason holds."""
        if self.open is not None:
            yield f"message_delta comes while content block {self.open} ({self.kind}) is open"
        self.finished = True
        self.stop_reason = _mapping(event.get("delta")).get("stop_reason", self.stop_reason)
        if not isinstance(_mapping(event.get("usage")).get("output_tokens"), int):
            yield "message_delta has no usage with output_tokens"

    def _message_stop(self) -> Iterator[str]:
        if not self.finished:
            yield "message_stop comes before message_delta"
        self.stopped = True


def _mapping(value: object) -> Event:
    return value if isinstance(value, Mapping) else {}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
