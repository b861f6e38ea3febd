"""The catalogue of wire faults: each changes what it says, in a stream as in a whole answer, and nothing else."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

import pytest

from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.wire.client_exchange import HUNG_UP, ClientExchange, Operation, message_of
from compat_pipeline.wire.faults import FAULTS, Answer, Asked
from compat_pipeline.wire.grammar import check_message_events
from compat_pipeline_tests.wire.messages import (
    BASH,
    FOUND,
    MCP,
    NONCE,
    REDACTED,
    SEARCH,
    STRUCTURED,
    TEXT,
    THINKING,
    Json,
    message,
    stream,
)

ROWS = {feature.id for feature in load_manifest({}).features}

MARKER = {"type": "ephemeral", "ttl": "1h"}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cGljdHVyZQ=="}}
DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}}
REMINDER = {"type": "text", "text": "<system-reminder>\nToday is a day.\n</system-reminder>"}
SUMMARY = {"type": "text", "text": "This session is being continued from a previous conversation. The summary: hi."}
PROMPT = {"type": "text", "text": "abcdefgh", "cache_control": MARKER}
REFERENCE = {"type": "tool_reference", "tool_name": "Bash"}
FOUND_TEXT = {"type": "text", "text": "found"}
AGENT = {"type": "tool_use", "id": "toolu_9", "name": "Agent", "input": {"prompt": "look"}}
REQUEST: Json = {
    "model": "bedrock_invoke/claude-sonnet-4-6",
    "max_tokens": 32000,
    "stream": True,
    "system": [{"type": "text", "text": "billing"}, {"type": "text", "text": "system", "cache_control": MARKER}],
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": []},
    "output_config": {"effort": "high", "format": {}},
    "tools": [
        {"name": "Bash", "input_schema": {}, "eager_input_streaming": True, "cache_control": MARKER},
        {"name": "StructuredOutput", "input_schema": {"type": "object", "required": ["colour"]}},
        {"name": "mcp__dice__roll", "input_schema": {}, "defer_loading": True},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
    ],
    "messages": [
        {"role": "user", "content": [REMINDER, SUMMARY, PICTURE, DOCUMENT, PROMPT]},
        {"role": "assistant", "content": [THINKING, REDACTED, BASH, AGENT]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [FOUND_TEXT, DOCUMENT, REFERENCE]},
                {"type": "tool_result", "tool_use_id": "toolu_9", "content": "agent's answer"},
                REMINDER,
            ],
        },
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": "ijklmnop"},
        {"role": "assistant", "content": [{**THINKING, "signature": "AAAA"}]},
    ],
}
HEADERS = {
    "anthropic-beta": "claude-code-20250219,context-1m-2025-08-07,thinking-token-count-2026-05-13",
    "authorization": "Bearer k",
    "user-agent": "claude-cli/2.1.329 (external, sdk-cli)",
}


def asked(operation: Operation = "messages", **changes: Any) -> Asked:
    return Asked(operation, HEADERS, {**copy.deepcopy(REQUEST), **changes})


def drop(*path: Any) -> Callable[[Json], None]:
    """Takes out what is at `path`."""

    def change(body: Any) -> None:
        for part in path[:-1]:
            body = body[part]
        del body[path[-1]]

    return change


def put(*path_and_value: Any) -> Callable[[Json], None]:
    """Sets what is at a path, the last item, to a value."""
    *path, last, value = path_and_value

    def change(body: Any) -> None:
        for part in path:
            body = body[part]
        body[last] = value

    return change


def all_of(*changes: Callable[[Json], None]) -> Callable[[Json], None]:
    def change(body: Json) -> None:
        for one in changes:
            one(body)

    return change


IN_FIRST, RESULTS = ("messages", 0, "content"), ("messages", 2, "content")
MARKERS = [("tools", 0), ("system", 1), (*IN_FIRST, 4)]

REQUEST_CHANGES: dict[str, Callable[[Json], None]] = {
    "user_text_cut": all_of(
        put(*IN_FIRST, 1, "text", SUMMARY["text"][: len(SUMMARY["text"]) // 2]),
        put(*IN_FIRST, 4, "text", "abcd"),
        put("messages", 4, "content", [{"type": "text", "text": "ijkl"}]),
    ),
    "summary_dropped": drop(*IN_FIRST, 1),
    "call_unrecorded": put("no-log", True),
    "history_dropped": put("messages", REQUEST["messages"][4:]),
    "system_dropped": drop("system"),
    "system_cut": drop("system", 1),
    "model_swapped": put("model", "bedrock_invoke/claude-opus-4-7"),
    "max_tokens_clamped": put("max_tokens", 8192),
    "picture_dropped": drop(*IN_FIRST, 2),
    "picture_altered": put(*IN_FIRST, 2, "source", "data", base64.b64encode(b"picture\0").decode()),
    "document_dropped": drop(*IN_FIRST, 3),
    "result_document_dropped": drop(*RESULTS, 0, "content", 1),
    "cache_marker_dropped": all_of(*(drop(*place, "cache_control") for place in MARKERS)),
    "message_cache_marker_dropped": drop(*IN_FIRST, 4, "cache_control"),
    "cache_hour_shortened": all_of(*(put(*place, "cache_control", {"type": "ephemeral"}) for place in MARKERS)),
    "thinking_dropped": drop("thinking"),
    "effort_dropped": drop("output_config", "effort"),
    "effort_lowered": put("output_config", "effort", "low"),
    "replayed_signature_altered": all_of(
        put("messages", 1, "content", 0, "signature", "c2lnbmVkAGJ5IHVz"),
        put("messages", 5, "content", 0, "signature", "AABA"),
    ),
    "replayed_thinking_dropped": all_of(drop("messages", 1, "content", 0), drop("messages", 5, "content", 0)),
    "replayed_redacted_thinking_dropped": drop("messages", 1, "content", 1),
    "tools_dropped": drop("tools"),
    "tool_result_dropped": all_of(put(*RESULTS, 0, "content", ""), put(*RESULTS, 1, "content", "")),
    "tool_results_exchanged": all_of(
        put(*RESULTS, 0, "tool_use_id", "toolu_9"), put(*RESULTS, 1, "tool_use_id", "toolu_1")
    ),
    "subagent_answer_dropped": put(*RESULTS, 1, "content", ""),
    "mcp_tools_dropped": drop("tools", 2),
    "eager_streaming_dropped": drop("tools", 0, "eager_input_streaming"),
    "schema_dropped": put("tools", 1, "input_schema", {"type": "object"}),
    "tool_reference_dropped": drop(*RESULTS, 0, "content", 2),
    "defer_loading_dropped": drop("tools", 2, "defer_loading"),
    "search_tool_dropped": drop("tools", 3),
    "stream_faked": put("stream", False),
}

REFUSALS = {
    "requests_refused": (400, "xhigh"),
    "gateway_crashed": (500, "'NoneType' object has no attribute 'access_key'"),
    "streams_refused": (404, "streaming"),
    "unknown_beta_refused": (400, "invalid beta flag"),
    "unknown_field_refused": (400, "context_management: Extra inputs are not permitted"),
    "output_config_refused": (400, "output_config: Extra inputs are not permitted"),
    "thinking_refused": (400, "is not supported for this model"),
    "eager_streaming_refused": (400, "tools.0.custom.eager_input_streaming: Extra inputs are not permitted"),
    "nested_search_refused": (400, "tools.3: Input tag 'web_search_20250305' found using 'type' does not match"),
    "tool_type_refused": (400, "tools.2.custom.defer_loading: Extra inputs are not permitted"),
    "tool_reference_refused": (400, "messages.2.content.0.tool_result.content: Input tag 'tool_reference'"),
}

ANSWER = message(THINKING, REDACTED, SEARCH, FOUND, TEXT, BASH, MCP, STRUCTURED, stop_reason="tool_use")
WRITTEN, READ = 7, 5
CONTENT_CHANGES: dict[str, Callable[[Json], None]] = {
    "wrong_code": put("content", 4, "text", TEXT["text"].replace("9ab", "9aa")),
    "answer_text_cut": put("content", 4, "text", TEXT["text"][: len(TEXT["text"]) // 2]),
    "colours_exchanged": put("content", 4, "text", TEXT["text"].replace("red", "green")),
    "signature_altered": put("content", 0, "signature", "c2lnbmVkAGJ5IHVz"),
    "signature_dropped": put("content", 0, "signature", ""),
    "thinking_swallowed": drop("content", 0),
    "redacted_thinking_swallowed": drop("content", 1),
    "tool_input_lost": all_of(*(put("content", number, "input", {}) for number in (5, 6, 7))),
    "parallel_tool_lost": all_of(drop("content", 7), drop("content", 6)),
    "mcp_tool_renamed": put("content", 6, "name", "roll"),
    "structured_output_as_text": all_of(
        put("content", 7, {"type": "text", "text": '{"colour": "red"}'}), put("stop_reason", "end_turn")
    ),
    "search_results_emptied": put("content", 3, "content", []),
    "tool_stop_lost": put("stop_reason", "end_turn"),
    "usage_zeroed": put(
        "usage",
        {
            "input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 0,
        },
    ),
    "cached_tokens_counted_twice": put("usage", "input_tokens", 11 + WRITTEN + READ),
    "cache_reads_zeroed": all_of(put("usage", "input_tokens", 11 + READ), put("usage", "cache_read_input_tokens", 0)),
    "cache_creation_zeroed": all_of(
        put("usage", "input_tokens", 11 + WRITTEN),
        put("usage", "cache_creation_input_tokens", 0),
        put("usage", "cache_creation", {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}),
    ),
    "cache_hour_counted_as_minutes": put(
        "usage", "cache_creation", {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0}
    ),
    "cache_split_dropped": drop("usage", "cache_creation"),
}

THINKING_DELTA = "thinking_delta into content block 0, which is a text block"
STREAM_VIOLATIONS = {
    "text_as_thinking": ["thinking_delta into content block 4, which is a text block"],
    "thinking_opened_as_text": [
        THINKING_DELTA,
        "signature_delta into content block 0, which is a text block",
    ],
    "text_delta_in_thinking": ["text_delta into content block 0, which is a thinking block"],
    "parallel_tools_misindexed": [
        "input_json_delta for content block 5, but 6 (tool_use) is open",
        "input_json_delta for content block 5, but 7 (tool_use) is open",
    ],
    "stream_truncated": [
        "there is no message_delta with the stop reason",
        "there is no message_stop: the stream was cut",
    ],
    "message_stop_lost": ["there is no message_stop: the stream was cut"],
    "message_stop_repeated": ["message_stop comes after message_stop"],
}

OF_OTHER_SHAPES = {
    *("request_sent_twice", "stream_held_back", "hang_up_ignored"),  # the recorder's part, tested there
    *("context_1m_beta_dropped", "user_agent_replaced", "thinking_budget_changed", "document_alone_refused"),
    *("cache_counts_missing_at_start", "truncation_called_whole"),
    *("count_without_tools", "count_guessed", "count_refused", "non_streaming_refused", "fallback_empty"),
    *("stream_in_one_delta", "wrong_stop_reason", "error_wording_swallowed", "error_status_changed", "call_id_dropped"),
}


def whole(body: Json) -> Answer:
    return Answer(200, {"content-type": "application/json"}, body=copy.deepcopy(body))


def streamed(body: Json) -> Answer:
    return Answer(200, {"content-type": "text/event-stream"}, tuple(stream(copy.deepcopy(body))))


# --- the catalogue -----------------------------------------------------------------------------------------------


def test_every_fault_is_described_and_has_rows_that_exist() -> None:
    for name, fault in FAULTS.items():
        assert name == fault.name
        assert fault.description
        assert fault.imitates
        assert fault.rows
        assert fault.rows <= ROWS
    assert len({fault.description for fault in FAULTS.values()}) == len(FAULTS)


def test_every_row_has_a_fault_that_leaves_most_other_rows_alone() -> None:
    narrow = [fault.rows for fault in FAULTS.values() if len(fault.rows) <= len(ROWS) / 2]

    assert frozenset().union(*narrow) == ROWS


def test_every_fault_is_tested_here() -> None:
    tested = [*REQUEST_CHANGES, *REFUSALS, *CONTENT_CHANGES, *STREAM_VIOLATIONS, *OF_OTHER_SHAPES]

    assert sorted(tested) == sorted(FAULTS)


# --- requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REQUEST_CHANGES)
def test_a_request_is_changed_as_told_and_not_otherwise(name: str) -> None:
    before, expected = asked(), copy.deepcopy(REQUEST)
    REQUEST_CHANGES[name](expected)

    assert FAULTS[name].on_request(before) == Asked("messages", HEADERS, expected)
    assert before.body == REQUEST, "the request itself was written to"


@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"user_agent_replaced", "context_1m_beta_dropped"}))
def test_other_requests_pass_as_they_are(name: str) -> None:
    other = asked("other")

    assert FAULTS[name].on_request(other) is other


def test_text_in_its_short_form_counts_as_a_block() -> None:
    short = asked(messages=[{"role": "user", "content": "abcdefgh"}])

    cut = FAULTS["user_text_cut"].on_request(short)

    assert isinstance(cut, Asked)
    assert cut.body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "abcd"}]}]
    assert FAULTS["picture_dropped"].on_request(short) is short


@pytest.mark.parametrize(
    "name", sorted({*REQUEST_CHANGES, *REFUSALS} - {"requests_refused", "gateway_crashed", "call_unrecorded"})
)
def test_a_request_without_the_feature_passes_as_it_is(name: str) -> None:
    plain = Asked(
        "messages", {"anthropic-beta": "claude-code-20250219,effort-2025-11-24"}, {"model": "another", "messages": []}
    )

    assert FAULTS[name].on_request(plain) is plain


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"thinking": {"type": "enabled", "budget_tokens": 2048, "display": "updates"}}),
        (
            {"output_config": {"effort": "high"}},
            {"thinking": {"type": "adaptive", "display": "updates"}, "output_config": {"effort": "xhigh"}},
        ),
    ],
    ids=["another budget", "an effort"],
)
def test_a_thinking_budget_becomes_something_else(settings: Json, expected: Json) -> None:
    budget = {"thinking": {"type": "enabled", "budget_tokens": 4096, "display": "updates"}}

    changed = FAULTS["thinking_budget_changed"].on_request(Asked("messages", {}, {"model": "m", **budget, **settings}))

    assert changed == Asked("messages", {}, {"model": "m", **expected})
    assert FAULTS["thinking_budget_changed"].on_request(adaptive := asked()) is adaptive


def test_only_a_turn_of_a_document_alone_is_refused() -> None:
    fault = FAULTS["document_alone_refused"]
    refused = fault.on_request(asked(messages=[{"role": "user", "content": [DOCUMENT]}]))

    assert isinstance(refused, Answer)
    assert refused.status == 400
    assert "A text block must be included" in (refused.body or {})["error"]["message"]
    assert fault.on_request(beside_a_text := asked()) is beside_a_text


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


def test_one_beta_is_dropped_and_the_others_stay() -> None:
    dropped = FAULTS["context_1m_beta_dropped"].on_request(asked())
    alone = FAULTS["context_1m_beta_dropped"].on_request(Asked("messages", {"anthropic-beta": "context-1m-1"}, {}))

    assert dropped == Asked(
        "messages", {**HEADERS, "anthropic-beta": "claude-code-20250219,thinking-token-count-2026-05-13"}, REQUEST
    )
    assert alone == Asked("messages", {}, {})


def test_the_user_agent_is_replaced_and_nothing_else() -> None:
    changed = FAULTS["user_agent_replaced"].on_request(asked())

    assert changed == Asked("messages", {**HEADERS, "user-agent": "python-httpx/0.28.1"}, REQUEST)


def test_tools_do_not_count() -> None:
    body = {name: value for name, value in REQUEST.items() if name != "tools"}

    assert FAULTS["count_without_tools"].on_request(asked("count_tokens")) == Asked("count_tokens", HEADERS, body)
    assert FAULTS["count_without_tools"].on_request(same := asked()) is same


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "status", "text"), [(name, *due) for name, due in REFUSALS.items()])
def test_a_refusal_is_an_error_in_the_providers_words(name: str, status: int, text: str) -> None:
    answer = FAULTS[name].on_request(asked())

    assert isinstance(answer, Answer)
    assert answer.status == status
    assert answer.body is not None
    assert answer.body["type"] == "error"
    assert text in answer.body["error"]["message"]


def test_only_requests_without_a_stream_are_refused() -> None:
    fault = FAULTS["non_streaming_refused"]

    assert isinstance(fault.on_request(asked(stream=False)), Answer)
    assert fault.on_request(same := asked()) is same


def test_a_count_is_guessed_or_refused_and_nothing_else_is() -> None:
    guessed = FAULTS["count_guessed"].on_request(asked("count_tokens", messages=[{"role": "user", "content": "hi"}]))
    refused = FAULTS["count_refused"].on_request(asked("count_tokens"))

    assert isinstance(guessed, Answer)
    assert guessed.body == {"input_tokens": len('[{"role": "user", "content": "hi"}]') // 4}
    assert isinstance(refused, Answer)
    assert refused.status == 400
    for name in ("count_guessed", "count_refused"):
        assert FAULTS[name].on_request(same := asked()) is same


# --- answers -----------------------------------------------------------------------------------------------------


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
    still_tools = expected["stop_reason"] == "tool_use"
    assert check_message_events(after.events) == [] or not still_tools
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


# --- what a fault touches ----------------------------------------------------------------------------------------


def exchange(path: str = "/v1/messages", request: Json | None = None, answer: Json | None = None) -> ClientExchange:
    return ClientExchange(
        method="POST",
        path=path,
        request_headers={},
        request=request or {"model": "m", "stream": True, "messages": [{"role": "user", "content": ""}]},
        status=200,
        response_headers={},
        events=tuple(stream(answer or message({"type": "text", "text": "hi"}))),
        body=None,
        broken=None,
        started_at=1.0,
        first_byte_at=1.0,
        finished_at=1.0,
    )


def test_a_fault_touches_what_it_would_change() -> None:
    plain = exchange()

    assert FAULTS["answer_text_cut"].touches([plain])
    assert FAULTS["request_sent_twice"].touches([plain])
    assert FAULTS["stream_held_back"].touches([plain])
    assert FAULTS["requests_refused"].touches([plain])
    assert FAULTS["picture_dropped"].touches([exchange(request=REQUEST)])
    assert FAULTS["signature_altered"].touches([exchange(answer=ANSWER)])
    for name in ("picture_dropped", "signature_altered", "wrong_code", "call_id_dropped", "count_guessed"):
        assert not FAULTS[name].touches([plain])


def test_a_count_is_no_message() -> None:
    count = exchange("/v1/messages/count_tokens")

    assert FAULTS["count_refused"].touches([count])
    assert not FAULTS["request_sent_twice"].touches([count])
    assert not FAULTS["system_dropped"].touches([count])


def test_a_cell_that_hangs_up_on_an_answer_is_not_tried_with_answers_kept_until_they_are_whole() -> None:
    interrupted = [exchange().model_copy(update={"broken": HUNG_UP}), exchange()]

    assert FAULTS["requests_refused"].touches(interrupted)
    assert FAULTS["hang_up_ignored"].touches(interrupted)
    for name in ("answer_text_cut", "stream_held_back"):
        assert not FAULTS[name].touches(interrupted)
