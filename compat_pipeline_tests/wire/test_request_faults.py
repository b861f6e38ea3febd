"""Wire faults of requests: each changes or refuses what it says, and nothing else."""

from __future__ import annotations

import copy

import pytest

from compat_pipeline.wire.faults import FAULTS, Answer, Asked
from compat_pipeline_tests.wire.fault_samples import (
    DOCUMENT,
    HEADERS,
    REFUSALS,
    REQUEST,
    REQUEST_CHANGES,
    asked,
)
from compat_pipeline_tests.wire.messages import (
    Json,
)


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
