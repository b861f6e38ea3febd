"""The client exchange: what is read from the bytes of one request and its answer."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import anthropic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from compat_pipeline.wire.background import BackgroundServer
from compat_pipeline.wire.client_exchange import (
    HUNG_UP,
    ClientExchange,
    message_of,
    operation_of,
    read_answer,
    read_request,
    readable_headers,
)
from compat_pipeline_tests.wire.messages import (
    BASH,
    FOUND,
    MCP,
    REDACTED,
    SEARCH,
    TEXT,
    THINKING,
    Json,
    encoded,
    message,
    stream,
)

RECORDINGS = Path(__file__).parents[1] / "claude" / "recordings"
SSE = [(b"content-type", b"text/event-stream; charset=utf-8")]
JSON = [(b"content-type", b"application/json")]


def exchange(**given: Any) -> ClientExchange:
    fields: Json = {
        "method": "POST",
        "path": "/v1/messages?beta=true",
        "request_headers": {},
        "request": {"stream": True},
        "status": 200,
        "response_headers": {},
        "events": (),
        "body": None,
        "broken": None,
        "started_at": 1.0,
        "first_byte_at": 2.0,
        "finished_at": 3.0,
    }
    return ClientExchange(**{**fields, **given})


class Sdk:
    """Anthropic's own client, given events by a server on loopback."""

    def __init__(self) -> None:
        self._events: list[Json] = []
        self._server = BackgroundServer(self._answer)
        self._http = anthropic.DefaultHttpxClient(trust_env=False)
        self._client = anthropic.Anthropic(
            api_key="unused", base_url=self._server.base_url, http_client=self._http, max_retries=0
        )

    async def _answer(self, _: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": SSE})
        await send({"type": "http.response.body", "body": encoded(self._events)})

    def message(self, events: list[Json]) -> Json:
        """What it makes of a stream."""
        self._events = events
        with self._client.messages.stream(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
        ) as talk:
            return dict(talk.get_final_message().to_dict())

    def close(self) -> None:
        self._client.close()
        self._server.stop()


@pytest.fixture(scope="module")
def sdk() -> Iterator[Sdk]:
    running = Sdk()
    yield running
    running.close()


def streams_of(recording: Path) -> list[list[Json]]:
    """The streams that a recorded CLI passed on, message by message."""
    lines = [json.loads(line) for line in recording.read_text().splitlines() if line.startswith("{")]
    streams: list[list[Json]] = []
    for event in (line["event"] for line in lines if line.get("type") == "stream_event"):
        if event["type"] == "message_start":
            streams.append([])
        streams[-1].append(event)
    return streams


RECORDED = [one for path in sorted(RECORDINGS.glob("*/*.jsonl")) for one in streams_of(path)]


texts = st.text(st.characters(codec="utf-8"), max_size=30)
inputs = st.dictionaries(texts, texts | st.integers() | st.booleans(), max_size=3)
content_blocks = st.one_of(
    st.builds(lambda text: {**TEXT, "text": text}, texts),
    st.builds(lambda text, sign: {**THINKING, "thinking": text, "signature": sign}, texts, texts),
    st.builds(lambda given: {**BASH, "input": given}, inputs),
    st.sampled_from([REDACTED, SEARCH, FOUND, MCP]),
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(content_blocks, max_size=5))
def test_a_message_is_assembled_as_anthropics_own_client_does(sdk: Sdk, content: list[Json]) -> None:
    events = stream(message(*content))

    ours, theirs = message_of(events), sdk.message(events)

    assert ours is not None
    assert ours["content"] == content
    assert {name: theirs[name] for name in ours} == ours


@pytest.mark.parametrize("events", RECORDED)
def test_so_is_every_recorded_stream(sdk: Sdk, events: list[Json]) -> None:
    ours, theirs = message_of(events), sdk.message(events)

    assert ours is not None
    assert {name: theirs[name] for name in ours} == ours


def test_citations_are_gathered_on_their_text() -> None:
    citation = {"type": "char_location", "cited_text": "x"}
    events = stream(message({"type": "text", "text": "said"}))
    events.insert(
        3, {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": citation}}
    )

    whole = message_of(events)

    assert whole is not None
    assert whole["content"] == [{"type": "text", "text": "said", "citations": [citation]}]


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(st.none() | texts | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(texts, inner)))
def test_a_stream_of_anything_is_read_without_an_error(value: Any) -> None:
    kinds = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"]
    fields = ("index", "message", "content_block", "delta", "usage")
    events = [{"type": kind, **dict.fromkeys(fields, value)} for kind in kinds]
    sound = stream(message(TEXT, BASH))

    message_of([*sound[:4], *events, *sound[4:]])
    assert exchange(events=(*sound[:4], *events)).violations
    exchange(events=(*sound[:4], *events)).message  # noqa: B018 - reading it is the test


def test_the_content_is_what_the_blocks_add_up_to_whatever_a_message_delta_holds() -> None:
    odd = {"type": "message_delta", "delta": {"content": "red", "usage": 7}, "usage": {"output_tokens": 9}}
    sound = stream(message(TEXT, BASH))

    whole = message_of([*sound[:1], odd, *sound[1:], odd])

    assert whole is not None
    assert (whole["content"], whole["usage"]["output_tokens"]) == ([TEXT, BASH], 9)


ODD: tuple[Any, ...] = (None, True, 0, -1.5, 10**20, "", "x", [], [None], [{}], {}, {"type": "text"}, {"text": None})


def places(value: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """Where the parts of a JSON value are."""
    named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in named:
        yield *above, name
        yield from places(inner, *above, name)


def test_whatever_becomes_of_one_part_of_a_stream_it_is_read_without_an_error() -> None:
    blocks = ({**TEXT, "text": "hey", "citations": []}, {**THINKING, "thinking": "hm"}, REDACTED, MCP, SEARCH, FOUND)
    sound = stream(message(*blocks, context_management={"applied_edits": []}))
    citation = {"type": "citations_delta", "citation": {"cited_text": "x"}}
    sound.insert(3, {"type": "content_block_delta", "index": 0, "delta": citation})
    for number, event in enumerate(sound):
        for *above, last in places(event):
            for odd in ODD:
                changed = copy.deepcopy(event)
                reduce(getitem, above, changed)[last] = odd
                events = (*sound[:number], changed, *sound[number + 1 :])
                message_of(events)
                exchange(events=events).violations  # noqa: B018 - reading it is the test


def test_the_message_of_a_cut_stream_is_what_had_come_by_then() -> None:
    events = stream(message(TEXT))[:5]

    whole = message_of(events)

    assert whole is not None
    assert whole["content"][0]["text"] == TEXT["text"][:10]
    assert whole["stop_reason"] is None


def test_without_a_message_start_there_is_no_message() -> None:
    assert exchange(events=tuple(stream(message(TEXT))[1:])).message is None


def test_a_json_answer_is_its_own_message() -> None:
    whole = message(TEXT)

    assert exchange(request={}, body=whole).message == whole
    assert exchange(status=400, body={"type": "error", "error": {"message": "no"}}).message is None


def test_events_and_bodies_are_read_whatever_their_encoding() -> None:
    events = stream(message(TEXT, BASH))
    packed = [(b"content-encoding", b"gzip")]

    assert read_answer(SSE, encoded(events)) == (tuple(events), None, None)
    assert read_answer([*SSE, *packed], gzip.compress(encoded(events))) == (tuple(events), None, None)
    assert read_answer([*JSON, *packed], gzip.compress(b'{"a": 1}')) == ((), {"a": 1}, None)


def test_what_is_neither_events_nor_json_is_kept_as_text() -> None:
    assert read_answer([(b"content-type", b"text/plain")], b"Internal Server Error") == (
        (),
        None,
        "Internal Server Error",
    )
    assert read_answer([*JSON, (b"content-encoding", b"gzip")], b"not packed") == ((), None, "not packed")
    assert read_answer([], b"") == ((), None, None)
    assert read_request(b"[1]") == read_request(b"\xff") == {}


def test_an_event_is_named_as_the_wire_names_it() -> None:
    wire = b'event: ping\ndata: {"type": "message_start"}\n\ndata: {"type": "message_stop"}\n\n'

    assert [event["type"] for event in read_answer(SSE, wire)[0]] == ["ping", "message"]


def test_an_event_that_holds_no_object_shows_what_it_holds() -> None:
    wire = b"event: odd\ndata: [DONE]\n\nevent: list\ndata: [1]\n\n"

    events, _, _ = read_answer(SSE, wire)

    assert events == ({"type": "odd", "unreadable": "[DONE]"}, {"type": "list", "unreadable": [1]})


def test_an_event_nested_too_deep_shows_its_begin() -> None:
    nested = "[" * 100_000

    [event] = read_answer(SSE, f"event: deep\ndata: {nested}\n\n".encode())[0]

    assert set(event["unreadable"]) == {"["}


def test_a_sound_stream_has_no_violations_and_a_cut_one_has() -> None:
    events = stream(message(THINKING, TEXT, BASH, stop_reason="tool_use"))

    assert exchange(events=tuple(events)).violations == []
    assert "there is no message_stop: the stream was cut" in exchange(events=tuple(events[:-1])).violations


@pytest.mark.parametrize("packed", [False, True])
def test_a_sound_stream_that_ends_early_at_any_byte_has_no_violations(packed: bool) -> None:
    sent = encoded(stream(message(THINKING, TEXT, BASH, stop_reason="tool_use")))
    data, headers = (gzip.compress(sent), [*SSE, (b"content-encoding", b"gzip")]) if packed else (sent, SSE)

    came = [exchange(events=read_answer(headers, data[:end])[0], broken=HUNG_UP) for end in range(len(data))]

    assert {len(one.events) for one in came} > {0, 1, 2, 3}
    assert [one.violations for one in came if one.violations] == []


def test_what_came_of_a_stream_that_ended_early_can_be_wrong() -> None:
    events = (*stream(message(THINKING, TEXT))[:3], {"type": "content_block_start", "index": 7})

    assert "content block 7 starts where 1 is due" in exchange(events=events, broken=HUNG_UP).violations


def test_a_stream_that_was_granted_but_did_not_come_is_a_violation() -> None:
    assert exchange(body=message(TEXT)).violations == ["there are no events"]
    assert exchange(body=message(TEXT), request={"stream": False}).violations == []
    assert exchange(status=404, body={"type": "error"}).violations == []


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/messages?beta=true", "messages"),
        ("/v1/messages", "messages"),
        ("/v1/messages/count_tokens?beta=true", "count_tokens"),
        ("/v1/messages/batches", "other"),
        ("/v1/models", "other"),
        ("/", "other"),
    ],
)
def test_the_path_tells_the_operation(path: str, operation: str) -> None:
    assert operation_of(path) == operation


@pytest.mark.parametrize(
    ("told", "wait_s"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("Thu, 01 Jan 1970 00:00:32 GMT", 30.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("Thu, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("nan", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after_is_read_from_seconds_and_from_a_date(told: str, wait_s: float | None) -> None:
    assert exchange(response_headers={"retry-after": told}).retry_after_s == wait_s


def test_credentials_are_not_among_the_headers_of_the_record() -> None:
    raw = [(b"Authorization", b"Bearer s"), (b"X-Api-Key", b"s"), (b"Cookie", b"s"), (b"A", b"1"), (b"a", b"2")]

    assert readable_headers(raw) == {"a": "1, 2"}
    assert readable_headers(raw, credentials=True)["authorization"] == "Bearer s"


def test_an_exchange_survives_the_way_through_json() -> None:
    one = exchange(events=tuple(stream(message(TEXT))), unreadable=None)

    assert ClientExchange.model_validate(json.loads(one.model_dump_json())) == one
