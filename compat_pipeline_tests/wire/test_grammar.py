"""The event grammar: a sound stream passes, and every way to break it is named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from compat_pipeline.wire.grammar import check_message_events

Events = list[dict[str, Any]]


def start() -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 1}
    return {"type": "message_start", "message": {"role": "assistant", "content": [], "usage": usage}}


def block(index: int, opened: dict[str, Any], *deltas: dict[str, Any]) -> Events:
    return [
        {"type": "content_block_start", "index": index, "content_block": opened},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def change_of(reason: str | None) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9}}


def end(reason: str = "end_turn") -> Events:
    return [change_of(reason), {"type": "message_stop"}]


THINKING = block(
    0,
    {"type": "thinking", "thinking": ""},
    {"type": "thinking_delta", "thinking": "hm"},
    {"type": "signature_delta", "signature": "c2ln"},
)
TEXT = block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "he"}, {"type": "text_delta", "text": "y"})
TOOL = block(
    2,
    {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}},
    {"type": "input_json_delta", "partial_json": '{"a":'},
    {"type": "input_json_delta", "partial_json": " 1}"},
)
MESSAGE: Events = [start(), {"type": "ping"}, *THINKING, *TEXT, *TOOL, *end("tool_use")]


def broken_by(change: Callable[[Events], object]) -> list[str]:
    events = copy.deepcopy(MESSAGE)
    change(events)
    return check_message_events(events)


def at(events: Events, kind: str, index: int = 0) -> dict[str, Any]:
    """The first event of a kind for block `index`."""
    return next(event for event in events if event["type"] == kind and event.get("index", index) == index)


def test_a_sound_message_breaks_no_rule() -> None:
    assert check_message_events(MESSAGE) == []


@pytest.mark.parametrize("first", [None, "tool_use"])
def test_a_message_may_change_more_than_once_before_it_stops(first: str | None) -> None:
    assert broken_by(lambda e: e.insert(-2, change_of(first))) == []


@pytest.mark.parametrize("place", range(len(MESSAGE) + 1))
@pytest.mark.parametrize("kind", ["ping", "surprise"])
def test_pings_and_new_types_of_events_are_passed_over_wherever_they_come(kind: str, place: int) -> None:
    assert broken_by(lambda e: e.insert(place, {"type": kind})) == []


def test_a_conversation_is_checked_message_by_message() -> None:
    conversation = [*MESSAGE, start(), *block(0, {"type": "text"}, {"type": "text_delta", "text": "hi"}), *end()]
    assert check_message_events(conversation) == []


def test_a_violation_names_the_message_it_is_in() -> None:
    assert check_message_events([*MESSAGE, *MESSAGE[:-1]]) == [
        "message 2: there is no message_stop: the stream was cut"
    ]


def test_no_events_at_all_are_a_violation() -> None:
    assert check_message_events([]) == ["there are no events"]


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        (lambda e: e.pop(0), "ping|content_block_start comes before message_start"),
        (lambda e: e[0]["message"].pop("usage"), "message_start has no usage with input_tokens"),
        (lambda e: e[0]["message"].update(role="user"), "message_start has the role 'user', not 'assistant'"),
        (lambda e: e[0]["message"].update(content=[{}]), "message_start already has content"),
        (lambda e: e.pop(), "there is no message_stop: the stream was cut"),
        (lambda e: e.append({"type": "message_stop"}), "message_stop comes after message_stop"),
        (lambda e: e.pop(-2), "message_stop comes before message_delta"),
        (lambda e: e[-2].pop("usage"), "message_delta has no usage with output_tokens"),
        (lambda e: e[-2]["delta"].clear(), "message_delta has the stop reason None"),
        (
            lambda e: e[-2]["delta"].update(stop_reason=["tool_use"]),
            "message_delta has the stop reason ['tool_use']",
        ),
        (
            lambda e: at(e, "content_block_delta", 2)["delta"].update(partial_json="[" * 100_000),
            f"the input of content block 2 (tool_use) is not a JSON object: {'[' * 80}",
        ),
        (lambda e: e.insert(-1, change_of(None)), "message_delta has the stop reason None"),
        (lambda e: e.insert(1, change_of("tool_use")), "content block 0 starts after message_delta"),
        (lambda e: e.insert(-3, change_of("tool_use")), "message_delta comes while content block 2 (tool_use) is open"),
        (lambda e: e.append(change_of("tool_use")), "message_delta comes after message_stop"),
        (lambda e: e.remove(at(e, "content_block_stop", 0)), "content block 1 starts while 0 (thinking) is open"),
        (lambda e: e.remove(at(e, "content_block_stop", 2)), "content block 2 (tool_use) is never stopped"),
        (lambda e: e.remove(at(e, "content_block_start", 1)), "text_delta for content block 1, but none is open"),
        (lambda e: at(e, "content_block_start", 1).update(index=5), "content block 5 starts where 1 is due"),
        (lambda e: at(e, "content_block_stop", 1).update(index=2), "content_block_stop for 2, but 1 (text) is open"),
        (
            lambda e: at(e, "content_block_delta", 2).update(index=1),
            "input_json_delta for content block 1, but 2 (tool_use) is open",
        ),
        (
            lambda e: at(e, "content_block_start", 0)["content_block"].update(type="text"),
            "thinking_delta into content block 0, which is a text block",
        ),
        (
            lambda e: at(e, "content_block_start", 1)["content_block"].update(type="thinking"),
            "text_delta into content block 1, which is a thinking block",
        ),
        (
            lambda e: at(e, "content_block_start", 1)["content_block"].update(type="picture"),
            "content block 1 has the unknown type 'picture'",
        ),
        (lambda e: at(e, "content_block_delta", 1)["delta"].pop("text"), "text_delta without 'text'"),
        (
            lambda e: at(e, "content_block_delta", 1)["delta"].update(text=None),
            "text_delta has None for its 'text'",
        ),
        (
            lambda e: at(e, "content_block_delta", 2)["delta"].update(partial_json={"a": 1}),
            "input_json_delta has {'a': 1} for its 'partial_json'",
        ),
        (
            lambda e: at(e, "content_block_delta", 1)["delta"].update(type="citations_delta", citation="p. 7"),
            "citations_delta has 'p. 7' for its 'citation'",
        ),
        (
            lambda e: at(e, "content_block_delta", 1)["delta"].update(type="odd_delta"),
            "content block 1 gets the unknown delta 'odd_delta'",
        ),
        (
            lambda e: e.remove(at(e, "content_block_delta", 2)),
            "the input of content block 2 (tool_use) is not a JSON object:  1}",
        ),
        (
            lambda e: at(e, "content_block_start", 2)["content_block"].pop("id"),
            "content block 2 (tool_use) has no id or no name",
        ),
        (
            lambda e: e.__setitem__(slice(-6, -2), []),
            "the stop reason is tool_use, but there is no tool_use block",
        ),
        (lambda e: e.insert(-2, {"type": "message", "unreadable": "[DONE]"}), "an event has no name"),
        (
            lambda e: e.insert(-2, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            "the stream carries an error: Overloaded",
        ),
    ],
)
def test_a_broken_stream_is_told_in_plain_words(change: Callable[[Events], object], violation: str) -> None:
    violations = broken_by(change)
    assert any(violation.split("|")[-1] in told for told in violations), violations


def test_blocks_that_follow_the_stop_reason_are_out_of_place() -> None:
    late = [start(), *end()[:1], *block(0, {"type": "text"}), end()[1]]
    assert check_message_events(late) == ["content block 0 starts after message_delta"]


def test_a_tool_without_arguments_needs_no_input_delta() -> None:
    opened = {"type": "tool_use", "id": "toolu_1", "name": "Now", "input": {}}
    assert check_message_events([start(), *block(0, opened), *end("tool_use")]) == []


def test_events_of_any_shape_are_told_not_raised() -> None:
    events: Events = [{}, {"type": "message_start"}, {"type": "content_block_delta"}, {"type": "content_block_start"}]
    assert check_message_events(events)
    assert check_message_events([{"type": None, "index": []}, {"type": "message_delta", "delta": 3}])
