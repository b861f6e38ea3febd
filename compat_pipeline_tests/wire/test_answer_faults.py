"""Wire faults of answers: each changes what it says, in a stream as in a whole answer, and nothing else."""

from __future__ import annotations

import copy

import pytest

from compat_pipeline.wire.client_exchange import message_of
from compat_pipeline.wire.faults import FAULTS, Answer
from compat_pipeline.wire.grammar import check_message_events
from compat_pipeline_tests.wire.fault_samples import (
    ANSWER,
    CONTENT_CHANGES,
    STREAM_VIOLATIONS,
    asked,
    streamed,
    whole,
)
from compat_pipeline_tests.wire.messages import (
    NONCE,
    TEXT,
    Json,
    message,
    stream,
)


@pytest.mark.parametrize("name", CONTENT_CHANGES)
def test_an_answer_is_changed_as_told_and_not_otherwise(name: str) -> None:
    before, expected = whole(ANSWER), copy.deepcopy(ANSWER)
    CONTENT_CHANGES[name](expected)

    assert FAULTS[name].on_answer(asked(), before) == Answer(200, before.headers, body=expected)
    assert before.body == ANSWER, "the answer itself was written to"


@pytest.mark.parametrize("name", CONTENT_CHANGES)
def test_so_is_a_stream_and_it_stays_a_sound_one(name: str) -> None:
    before, expected = streamed(ANSWER), copy.deepcopy(ANSWER)
    CONTENT_CHANGES[name](expected)

    after = FAULTS[name].on_answer(asked(), before)

    assert (after.status, after.headers) == (before.status, before.headers)
    assert message_of(after.events) == expected
    assert check_message_events(after.events) == []
    assert before == streamed(ANSWER), "the answer itself was written to"


@pytest.mark.parametrize("name", sorted(set(CONTENT_CHANGES) - {"thinking_swallowed", "redacted_thinking_swallowed"}))
def test_the_events_of_other_blocks_stay_as_they_are(name: str) -> None:
    before = streamed(ANSWER)
    expected = copy.deepcopy(ANSWER)
    CONTENT_CHANGES[name](expected)
    same = [number for number, block in enumerate(expected["content"]) if block == ANSWER["content"][number]]

    after = FAULTS[name].on_answer(asked(), before)

    for number in same:
        assert _of_block(after, number) == _of_block(before, number)


def _of_block(answer: Answer, index: int) -> list[Json]:
    return [event for event in answer.events if event.get("index") == index]


@pytest.mark.parametrize("name", STREAM_VIOLATIONS)
def test_a_broken_stream_breaks_just_that_rule(name: str) -> None:
    before = streamed(ANSWER)

    broken = check_message_events(FAULTS[name].on_answer(asked(), before).events)

    assert list(dict.fromkeys(broken)) == STREAM_VIOLATIONS[name]
    assert FAULTS[name].on_answer(asked(), whole(ANSWER)) == whole(ANSWER)


def test_each_block_comes_in_one_delta() -> None:
    before = streamed(ANSWER)

    after = FAULTS["stream_in_one_delta"].on_answer(asked(), before)

    assert message_of(after.events) == ANSWER
    kinds = [
        (event["index"], event["delta"]["type"]) for event in after.events if "delta" in event and "index" in event
    ]
    assert len(kinds) == len(set(kinds))
    assert len(after.events) < len(before.events)


def test_a_faked_stream_is_sound_and_holds_the_whole_answer() -> None:
    after = FAULTS["stream_faked"].on_answer(asked(), whole(ANSWER))

    assert message_of(after.events) == ANSWER
    assert check_message_events(after.events) == []
    assert after.body is None
    assert "content-type" not in after.headers


def test_an_answer_that_was_not_asked_for_as_a_stream_is_not_made_one() -> None:
    assert FAULTS["stream_faked"].on_answer(asked(stream=False), before := whole(ANSWER)) is before


def test_only_the_answer_without_a_stream_is_emptied() -> None:
    emptied = FAULTS["fallback_empty"].on_answer(asked(stream=False), whole(message(TEXT)))

    assert emptied.body == message({"type": "text", "text": ""})
    assert FAULTS["fallback_empty"].on_answer(asked(), before := streamed(ANSWER)) is before


def test_an_end_is_told_as_a_limit() -> None:
    ended = message(TEXT)
    after = FAULTS["wrong_stop_reason"].on_answer(asked(), streamed(ended))

    assert message_of(after.events) == {**ended, "stop_reason": "max_tokens"}
    assert FAULTS["wrong_stop_reason"].on_answer(asked(), before := streamed(ANSWER)) is before


@pytest.mark.parametrize("digit", "0123456789abcdef")
def test_a_wrong_code_is_surely_another_one(digit: str) -> None:
    code = NONCE[:-1] + digit

    after = FAULTS["wrong_code"].on_answer(asked(), whole(message({"type": "text", "text": code})))

    assert after.body is not None
    told = after.body["content"][0]["text"]
    assert told != code
    assert len(told) == len(code)


ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def test_an_error_loses_its_wording_or_its_status() -> None:
    refused = Answer(529, {"retry-after": "3"}, body=ERROR)
    unworded = {"type": "error", "error": {"type": "overloaded_error", "message": "An error occurred."}}

    assert FAULTS["error_wording_swallowed"].on_answer(asked(), refused) == Answer(529, refused.headers, body=unworded)
    assert FAULTS["error_status_changed"].on_answer(asked(), refused) == Answer(500, refused.headers, body=ERROR)


def test_an_error_inside_a_stream_loses_its_wording_too() -> None:
    events = (*stream(ANSWER)[:3], ERROR)

    after = FAULTS["error_wording_swallowed"].on_answer(asked(), Answer(200, {}, events))

    assert after.events[:-1] == events[:-1]
    assert after.events[-1]["error"]["message"] == "An error occurred."


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_an_answer_to_something_else_passes_as_it_is(name: str) -> None:
    listing = Answer(200, {"content-type": "application/json"}, body={"data": [{"id": "m"}]})

    assert FAULTS[name].on_answer(asked("other"), listing) is listing


@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"error_wording_swallowed", "error_status_changed"}))
def test_an_error_passes_as_it_is(name: str) -> None:
    refused = Answer(400, {"content-type": "application/json"}, body=ERROR)

    assert FAULTS[name].on_answer(asked(), refused) is refused


def test_the_call_id_is_dropped_and_other_headers_stay() -> None:
    before = Answer(200, {"x-litellm-call-id": "a-b", "x-litellm-version": "1"}, body=ANSWER)

    assert FAULTS["call_id_dropped"].on_answer(asked(), before) == Answer(200, {"x-litellm-version": "1"}, body=ANSWER)


@pytest.mark.parametrize("end", [(), ({"type": "error", "error": {"type": "api_error", "message": "lost"}},)])
def test_an_answer_that_ends_in_its_middle_is_called_whole(end: tuple[Json, ...]) -> None:
    fault, sound = FAULTS["truncation_called_whole"], streamed(ANSWER)
    short = Answer(200, {}, (*sound.events[:3], *end))

    told = fault.on_answer(asked(), short)

    assert told.events[:3] == sound.events[:3]
    assert check_message_events(told.events) == []
    assert fault.on_answer(asked(), sound) is sound


def test_a_stream_begins_without_the_cache_counts_and_tells_them_at_its_end() -> None:
    fault, before = FAULTS["cache_counts_missing_at_start"], streamed(ANSWER)
    after = fault.on_answer(asked(), before)

    assert set(after.events[0]["message"]["usage"]) == {"input_tokens", "output_tokens"}
    assert after.events[1:] == before.events[1:]
    assert fault.on_answer(asked(), unstreamed := whole(ANSWER)) is unstreamed
