"""How a fault changes an answer: its content blocks, its counts, its stop reason, in a stream as in a whole message."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby
from typing import Any

from compat_pipeline.wire.client_exchange import Json, message_of
from compat_pipeline.wire.faults.asking import BlockChange
from compat_pipeline.wire.faults.fault import Answer, Asked

OnAnswer = Callable[[Asked, Answer], Answer]

PAYLOADS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
"""The field of a delta that adds to its block; citations come whole."""

_FIELDS = {
    "text": (("text_delta", "text"),),
    "thinking": (("thinking_delta", "thinking"), ("signature_delta", "signature")),
    "tool_use": (("input_json_delta", "input"),),
    "server_tool_use": (("input_json_delta", "input"),),
}
"""By type of block: which deltas fill which of its fields."""


def in_events(change: Callable[[Sequence[Json]], Sequence[Json]]) -> OnAnswer:
    """`change` the events of every stream."""

    def on_answer(_: Asked, answer: Answer) -> Answer:
        events = tuple(change(answer.events))
        return answer if events == answer.events else replace(answer, events=events)

    return on_answer


def in_content(change: BlockChange) -> OnAnswer:
    """`change` the content blocks of every message; in a stream the pieces keep their sizes as far as they can."""

    def on_answer(_: Asked, answer: Answer) -> Answer:
        if answer.events:
            return _in_stream(answer, change)
        if answer.body is None or answer.body.get("type") != "message":
            return answer
        before = answer.body["content"]
        after = [new for block in before if (new := change(block)) is not None]
        return answer if after == before else replace(answer, body={**answer.body, "content": after})

    return on_answer


def in_text(change: Callable[[str], str]) -> OnAnswer:
    """`change` the text of every text block."""
    return in_content(lambda block: {**block, "text": change(block["text"])} if block.get("type") == "text" else block)


def in_usage(change: Callable[[Json], Json]) -> OnAnswer:
    """`change` the token counts, wherever they are told."""

    def told(place: Json) -> Json:
        return {**place, "usage": change(place["usage"])} if isinstance(place.get("usage"), dict) else place

    def counted(event: Json) -> Json:
        return {**event, "message": told(event["message"])} if event["type"] == "message_start" else told(event)

    return in_parts(counted, told)


def in_first_usage(change: Callable[[Json], Json]) -> OnAnswer:
    """`change` the token counts with which a stream begins."""

    def counted(event: Json) -> Json:
        if event["type"] != "message_start" or not isinstance(event["message"].get("usage"), dict):
            return event
        return {**event, "message": {**event["message"], "usage": change(event["message"]["usage"])}}

    return in_parts(counted, lambda body: body)


def in_stop(change: Callable[[Any], Any]) -> OnAnswer:
    """`change` the stop reason."""

    def stopped(place: Json) -> Json:
        return {**place, "stop_reason": change(place["stop_reason"])} if place.get("stop_reason") else place

    def last(event: Json) -> Json:
        return {**event, "delta": stopped(event["delta"])} if event["type"] == "message_delta" else event

    return in_parts(last, stopped)


def in_error(change: Callable[[Json], Json]) -> OnAnswer:
    """`change` the error of an answer or a stream that reports one."""

    def told(place: Json) -> Json:
        return {**place, "error": change(place["error"])} if isinstance(place.get("error"), dict) else place

    return in_parts(told, told)


def in_parts(of_event: Callable[[Json], Json], of_body: Callable[[Json], Json]) -> OnAnswer:
    """Change every event of a stream one by one, or the body of another answer."""

    def on_answer(_: Asked, answer: Answer) -> Answer:
        changed = replace(
            answer,
            events=tuple(map(of_event, answer.events)),
            body=None if answer.body is None else of_body(answer.body),
        )
        return answer if changed == answer else changed

    return on_answer


def events_of(message: Json) -> tuple[Json, ...]:
    """A whole message as a stream, every block in one piece."""
    usage = message.get("usage") or {}
    begun = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    blocks = [_block_events(index, block, block, []) for index, block in enumerate(message["content"])]
    delta = {"stop_reason": message.get("stop_reason"), "stop_sequence": message.get("stop_sequence")}
    return (
        {"type": "message_start", "message": {**begun, "usage": {**usage, "output_tokens": 1}}},
        *chain.from_iterable(blocks),
        {"type": "message_delta", "delta": delta, "usage": usage},
        {"type": "message_stop"},
    )


def indexes_of(events: Sequence[Json], kind: str) -> list[int]:
    """The indexes of the blocks of one type in a stream."""
    starts = [event for event in events if event["type"] == "content_block_start"]
    return [event["index"] for event in starts if event["content_block"].get("type") == kind]


def _in_stream(answer: Answer, change: BlockChange) -> Answer:
    before = {index: list(group) for index, group in _by_block(answer.events)}
    after: dict[Any, list[Json]] = {}
    sound, due = True, 0
    for index, group in before.items():
        block = _assembled(group)
        new = change(block)
        sound = sound and new == block
        after[index] = [] if new is None else _moved(group, due) if new == block else _rewritten(group, due, block, new)
        due += new is not None
    if sound:
        return answer
    events: list[Json] = []
    for event in answer.events:
        if "index" not in event:
            events.append(event)
        elif event["type"] == "content_block_start":
            events += after[event["index"]]
    return replace(answer, events=tuple(events))


def _by_block(events: Sequence[Json]) -> Iterator[tuple[Any, Iterator[Json]]]:
    indexed = sorted((event for event in events if "index" in event), key=lambda event: int(event["index"]))
    return groupby(indexed, key=lambda event: event["index"])


def _assembled(group: Sequence[Json]) -> Json:
    """The block that the events of one index add up to."""
    message = message_of([{"type": "message_start", "message": {}}, *group])
    content: list[Json] = message["content"] if message else []
    return content[0] if content else {}


def _moved(group: Sequence[Json], index: int) -> list[Json]:
    return [{**event, "index": index} for event in group]


def _rewritten(group: Sequence[Json], index: int, before: Json, after: Json) -> list[Json]:
    """The events of a block that has become another; what did not change in it keeps its deltas as they were."""
    deltas = [event["delta"] for event in group if event["type"] == "content_block_delta"]
    return _block_events(index, before, after, deltas)


def _block_events(index: int, before: Json, after: Json, deltas: Sequence[Json]) -> list[Json]:
    kinds = _FIELDS.get(after["type"], ())
    filled = {field: {} if field == "input" else "" for _, field in kinds}
    opened = {name: value for name, value in {**after, **filled}.items() if name != "citations"}
    pieces = [delta for delta in deltas if delta.get("type") == "citations_delta"]
    for kind, field in kinds:
        old = [delta for delta in deltas if delta.get("type") == kind]
        same = old and before.get(field) == after.get(field)
        pieces += old if same else _cut(kind, after.get(field), [len(delta[PAYLOADS[kind]]) for delta in old])
    return [
        {"type": "content_block_start", "index": index, "content_block": opened},
        *({"type": "content_block_delta", "index": index, "delta": piece} for piece in pieces),
        {"type": "content_block_stop", "index": index},
    ]


def _cut(kind: str, value: Any, sizes: Sequence[int]) -> list[Json]:
    """A field's value as deltas of these sizes; the last takes the rest, and there are no empty ones."""
    whole = value if isinstance(value, str) else json.dumps(value) if value else ""
    pieces = []
    for size in sizes[:-1]:
        pieces.append(whole[:size])
        whole = whole[size:]
    return [{"type": kind, PAYLOADS[kind]: piece} for piece in [*pieces, whole] if piece]
