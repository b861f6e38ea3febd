"""Faults of streams: what comes is no longer what Anthropic's event stream is, or comes at another time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compat_pipeline.wire.client_exchange import Json
from compat_pipeline.wire.faults.answering import (
    PAYLOADS,
    events_of,
    in_events,
    indexes_of,
)
from compat_pipeline.wire.faults.fault import Answer, Asked, Fault
from compat_pipeline.wire.faults.rows import (
    STREAMED,
    THINKING_LEFT_ON,
    TOLD_IN_WORDS,
    rows,
)


def _into_first_tool(events: Sequence[Json]) -> list[Json]:
    """The input of every tool call is told of the first."""
    tools = indexes_of(events, "tool_use")

    def moved(event: Json) -> Json:
        wrong = event["type"] == "content_block_delta" and event["index"] in tools
        return {**event, "index": tools[0]} if wrong else event

    return [moved(event) for event in events]


def _text_as_thinking(events: Sequence[Json]) -> list[Json]:
    def turned(event: Json) -> Json:
        delta = event.get("delta", {})
        if delta.get("type") != "text_delta":
            return event
        return {**event, "delta": {"type": "thinking_delta", "thinking": delta["text"]}}

    return [turned(event) for event in events]


def _thinking_opened_as_text(events: Sequence[Json]) -> list[Json]:
    opened = {"type": "text", "text": ""}
    thinking = indexes_of(events, "thinking")
    return [
        {**event, "content_block": opened}
        if event["type"] == "content_block_start" and event["index"] in thinking
        else event
        for event in events
    ]


def _empty_text_in_thinking(events: Sequence[Json]) -> list[Json]:
    """Bedrock may end a reasoning block with an empty text, passed on as a delta of that type."""
    result = []
    for event in events:
        if event.get("delta", {}).get("type") == "signature_delta":
            result.append({**event, "delta": {"type": "text_delta", "text": ""}})
        result.append(event)
    return result


def _one_delta_each(events: Sequence[Json]) -> list[Json]:
    """Every block of a stream in one piece."""
    result: list[Json] = []
    for event in events:
        place = (event.get("index"), event.get("delta", {}).get("type", ""))
        payload = PAYLOADS.get(place[1])
        last = result[-1] if result else {}
        if payload and place == (last.get("index"), last.get("delta", {}).get("type", "")):
            joined = last["delta"][payload] + event["delta"][payload]
            result[-1] = {**event, "delta": {**event["delta"], payload: joined}}
        else:
            result.append(event)
    return result


def _cut_short(events: Sequence[Json]) -> list[Json]:
    """A stream without what ends it."""
    return [event for event in events if event["type"] not in ("message_delta", "message_stop")]


def _called_whole(events: Sequence[Json]) -> list[Json]:
    """A stream that ended before it was whole, with the end of one that is."""
    kinds = [event["type"] for event in events]
    if "message_start" not in kinds or "message_stop" in kinds:
        return list(events)
    came = [event for event in events if event["type"] != "error"]
    started = [event["index"] for event in came if event["type"] == "content_block_start"]
    stopped = [event["index"] for event in came if event["type"] == "content_block_stop"]
    return [
        *came,
        *({"type": "content_block_stop", "index": index} for index in started if index not in stopped),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_stop"},
    ]


def _without_message_stop(events: Sequence[Json]) -> list[Json]:
    return [event for event in events if event["type"] != "message_stop"]


def _stopped_twice(events: Sequence[Json]) -> list[Json]:
    return [*events, *(event for event in events if event["type"] == "message_stop")]


def _unstreamed(asked: Asked) -> Asked:
    wanted = asked.operation == "messages" and asked.streamed
    return replace(asked, body={**asked.body, "stream": False}) if wanted else asked


def _streamed_after_all(asked: Asked, answer: Answer) -> Answer:
    whole = answer.body
    if not asked.streamed or whole is None or whole.get("type") != "message":
        return answer
    headers = {name: value for name, value in answer.headers.items() if name != "content-type"}
    return replace(answer, headers=headers, events=events_of(whole), body=None)


STREAM_FAULTS = (
    Fault(
        "parallel_tools_misindexed",
        "the input of every tool call is told of the first",
        "LiteLLM #15307 #29491: parallel tool calls mis-indexed",
        rows("tool_use_parallel"),
        on_answer=in_events(_into_first_tool),
    ),
    Fault(
        "text_as_thinking",
        "text comes in thinking deltas",
        "LiteLLM #33224: thinking_delta into a text block",
        TOLD_IN_WORDS & STREAMED,
        on_answer=in_events(_text_as_thinking),
    ),
    Fault(
        "thinking_opened_as_text",
        "thinking comes in a block that was opened as text",
        "LiteLLM #29441 #33224: a delta's type differs from its block's",
        THINKING_LEFT_ON & STREAMED,
        on_answer=in_events(_thinking_opened_as_text),
    ),
    Fault(
        "text_delta_in_thinking",
        "an empty text ends a thinking block",
        "LiteLLM #29441 #33315: Bedrock's empty text before a signature, passed on as it came",
        THINKING_LEFT_ON & STREAMED,
        on_answer=in_events(_empty_text_in_thinking),
    ),
    Fault(
        "stream_truncated",
        "a stream ends without its final events",
        "Anthropic streaming: message_delta and message_stop end a stream",
        STREAMED,
        on_answer=in_events(_cut_short),
    ),
    Fault(
        "truncation_called_whole",
        "an answer that ends in its middle is told as a whole one",
        "LiteLLM on Converse: a truncated stream taken for success",
        rows("error_surfaces"),
        on_answer=in_events(_called_whole),
    ),
    Fault(
        "message_stop_lost",
        "a stream tells its stop reason and then just ends",
        "Anthropic streaming: exactly one message_stop; Claude Code sends up to three continuations without it",
        STREAMED,
        on_answer=in_events(_without_message_stop),
    ),
    Fault(
        "message_stop_repeated",
        "a stream stops twice",
        "Anthropic streaming: exactly one message_stop",
        STREAMED,
        on_answer=in_events(_stopped_twice),
    ),
    Fault(
        "stream_in_one_delta",
        "a long answer comes in one piece",
        "LiteLLM: streams faked from a whole answer",
        rows("basic_messaging_streaming", "tool_use_streaming"),
        on_answer=in_events(_one_delta_each),
    ),
    Fault(
        "stream_held_back",
        "a stream is delivered only when it is whole",
        "LiteLLM: a fully buffered stream",
        rows("basic_messaging_streaming"),
        held_back="all",
    ),
    Fault(
        "words_held_back",
        "a stream begins at once, but its words are delivered only when it is whole",
        "LiteLLM: the adapter's first events are made before the upstream is read",
        rows("basic_messaging_streaming"),
        held_back="words",
    ),
    Fault(
        "stream_faked",
        "a stream is made up from an answer that was not streamed",
        "LiteLLM: fake streams on providers that could stream",
        STREAMED,
        on_request=_unstreamed,
        on_answer=_streamed_after_all,
    ),
    Fault(
        "hang_up_ignored",
        "an answer that nobody waits for is generated to its end and paid for",
        "Anthropic streaming: closing the connection ends the generation",
        rows("cancellation"),
        deaf_to_hang_up=True,
    ),
)
