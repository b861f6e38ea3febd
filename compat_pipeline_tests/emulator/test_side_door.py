"""The side door: exchanges by nonce, armed conversations."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from botocore.exceptions import EventStreamError

from compat_pipeline.emulator.behaviours import BEHAVIOURS, Armed, carry
from compat_pipeline.emulator.contract import Provider, Reply, Transfer
from compat_pipeline.emulator.recording import Recorder
from compat_pipeline.wire.exchange import EXCHANGES, CannotScript, Exchange
from compat_pipeline_tests.emulator.emulated import (
    PROVIDERS,
    Emulated,
    Json,
    ask,
    assistant,
    call_of,
    exactly,
    new_nonce,
    user,
)


def hello(provider: Provider, nonce: str) -> Json:
    if provider == "bedrock_converse":
        return {"messages": [{"role": "user", "content": [{"text": exactly(nonce)}]}]}
    return ask(exactly(nonce))


# --- who may come in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_the_token_there_is_no_side_door(emulated: Emulated, token: str | None) -> None:
    headers = {"x-compat-control": token} if token else {}
    for method, path in (("GET", "exchanges"), ("POST", "arm")):
        answer = emulated.http.request(method, f"{emulated.base_url}/_compat/{path}", headers=headers)
        assert (answer.status_code, answer.content) == (404, b"")


# --- exchanges ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_exchange_is_found_by_its_nonce(emulated: Emulated, provider: Provider, stream: bool) -> None:
    nonce = new_nonce()
    emulated.post(provider, hello(provider, nonce), stream=stream).raise_for_status()
    (exchange,) = emulated.control.exchanges(nonce)
    assert (exchange.provider, exchange.streamed, exchange.status, exchange.rule) == (provider, stream, 200, None)
    assert exchange.request["messages"] == [user(exactly(nonce))]
    assert exchange.reply is not None
    assert exchange.reply["content"] == [{"type": "text", "text": nonce}]
    assert exchange.started_at <= exchange.finished_at


def test_an_exchange_is_found_under_each_nonce_of_its_conversation(emulated: Emulated) -> None:
    one, two = new_nonce(), new_nonce()
    turns = [user(exactly(one)), assistant(one), user(exactly(two))]
    emulated.post("anthropic", ask("", messages=turns))
    assert emulated.control.exchanges(one) == emulated.control.exchanges(two) != []


def exchange_of(number: int) -> Exchange:
    nothing: dict[str, Any] = {"headers": {}, "request": {}, "streamed": False, "model": "m", "operation": "messages"}
    return Exchange(provider="anthropic", status=200, started_at=number, finished_at=number, **nothing)


def test_the_record_forgets_the_oldest_beyond_its_bound() -> None:
    recorder = Recorder(bound=3)
    for number in range(5):
        recorder.add(exchange_of(number), ["all", f"only {number}"])
    assert [one.started_at for one in EXCHANGES.validate_json(recorder.json_of("all"))] == [2, 3, 4]
    assert recorder.json_of("only 1") == b"[]"
    assert recorder.json_of("only 4") != b"[]"


# --- arming ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "statuses"),
    [
        ("overloaded", {"anthropic": 529, "azure": 529, "vertex_ai": 529, "bedrock": 503}),
        ("rate_limited", {"anthropic": 429, "azure": 429, "vertex_ai": 429, "bedrock": 429}),
        ("no_credit", {"anthropic": 400, "azure": 403, "vertex_ai": 403, "bedrock": 403}),
        ("server_error", {"anthropic": 500, "azure": 500, "vertex_ai": 500, "bedrock": 500}),
        ("refused_key", {"anthropic": 401, "azure": 401, "vertex_ai": 401, "bedrock": 403}),
        ("prompt_too_long", {"anthropic": 400, "azure": 400, "vertex_ai": 400, "bedrock": 400}),
        ("rate_limited_unadvised", {"anthropic": 429, "azure": 429, "vertex_ai": 429, "bedrock": 429}),
    ],
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_fault_has_that_providers_status(
    emulated: Emulated, provider: Provider, behaviour: str, statuses: dict[str, int]
) -> None:
    nonce = new_nonce()
    emulated.control.arm(nonce, behaviour)
    for stream in (True, False):
        answer = emulated.post(provider, hello(provider, nonce), stream=stream)
        assert answer.status_code == statuses["bedrock" if provider.startswith("bedrock") else provider]
        assert answer.headers.get("retry-after") == ("1" if behaviour == "rate_limited" else None)


def test_no_credit_at_anthropic_reads_as_users_know_it(emulated: Emulated) -> None:
    nonce = new_nonce()
    emulated.control.arm(nonce, "no_credit")
    assert "Your credit balance is too low" in emulated.post("anthropic", hello("anthropic", nonce)).text


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_once_means_the_first_request_only(behaviour: str) -> None:
    armed, nonce = Armed(), new_nonce()
    armed.arm(nonce, f"{behaviour}_once")
    call = call_of(ask(exactly(nonce)), streamed=True)
    assert armed.behaviour_for(call) == BEHAVIOURS[behaviour]
    assert armed.behaviour_for(call) is None


def test_a_number_in_a_name_sets_how_long(emulated: Emulated) -> None:
    nonce = new_nonce()
    emulated.control.arm(nonce, "rate_limited:7_once")
    assert emulated.post("azure", hello("azure", nonce)).headers["retry-after"] == "7"
    assert emulated.post("azure", hello("azure", nonce)).status_code == 200


@pytest.mark.parametrize("name", ["explode", "overloaded:3", "slow:x", "slow:", "slow_twice"])
def test_a_name_that_says_nothing_is_no_behaviour(name: str) -> None:
    with pytest.raises(KeyError):
        Armed().arm(new_nonce(), name)


@pytest.mark.parametrize(("name", "transfer"), [("slow:0.5", Transfer(delay_s=0.5)), ("stall:2", Transfer(stall_s=2))])
def test_slow_and_stalled_replies_travel_late(name: str, transfer: Transfer) -> None:
    armed, nonce = Armed(), new_nonce()
    armed.arm(nonce, name)
    behaviour = armed.behaviour_for(call_of(ask(nonce), streamed=True))
    assert carry(Reply(200, "text/plain", b""), behaviour).transfer == transfer


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", ["slow:0.01", "stall:0.01"])
def test_a_late_reply_is_whole(emulated: Emulated, provider: Provider, name: str) -> None:
    nonce, other = new_nonce(), new_nonce()
    emulated.control.arm(nonce, name)
    late, sound = (emulated.post(provider, hello(provider, one), stream=True) for one in (nonce, other))
    assert late.status_code == 200
    assert len(late.content) == len(sound.content)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_reset_connection_answers_nothing_and_is_on_record(emulated: Emulated, provider: Provider) -> None:
    nonce = new_nonce()
    emulated.control.arm(nonce, "reset_once")
    with pytest.raises(httpx.TransportError):
        emulated.post(provider, hello(provider, nonce))
    assert emulated.post(provider, hello(provider, nonce)).status_code == 200
    assert [(one.status, one.error) for one in emulated.control.exchanges(nonce)] == [
        (0, "connection reset"),
        (200, None),
    ]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_may_be_reset_in_its_middle(emulated: Emulated, provider: Provider) -> None:
    nonce = new_nonce()
    emulated.control.arm(nonce, "reset_stream")
    with pytest.raises(httpx.TransportError):
        emulated.post(provider, hello(provider, nonce), stream=True)
    assert emulated.post(provider, hello(provider, nonce)).status_code == 200
    assert emulated.control.exchanges(nonce)[0].error == "connection reset"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_may_end_in_its_middle_as_if_it_were_whole(emulated: Emulated, provider: Provider) -> None:
    nonce = new_nonce()
    emulated.control.arm(nonce, "truncated_stream_once")
    short, whole = (emulated.post(provider, hello(provider, nonce), stream=True) for _ in range(2))
    assert (short.status_code, whole.status_code) == (200, 200)
    assert 0 < len(short.content) < len(whole.content)
    errors = [(one.error, one.delivered) for one in emulated.control.exchanges(nonce)]
    assert errors == [("the answer ended before it was whole", False), (None, True)]


def test_an_unknown_behaviour_is_named_with_the_known_ones(emulated: Emulated) -> None:
    with pytest.raises(CannotScript, match="explode") as refused:
        emulated.control.arm(new_nonce(), "explode")
    assert all(name in str(refused.value) for name in BEHAVIOURS)


def test_only_so_many_conversations_stay_armed() -> None:
    armed, first, second = Armed(bound=1), new_nonce(), new_nonce()
    armed.arm(first, "overloaded")
    armed.arm(second, "overloaded")
    assert armed.behaviour_for(call_of(ask(first))) is None
    assert armed.behaviour_for(call_of(ask(second))) is not None


def test_c17_awss_client_meets_an_exception_inside_the_stream(emulated: Emulated) -> None:
    nonce = new_nonce()
    emulated.control.arm(nonce, "broken_stream")
    body = hello("bedrock_converse", nonce)
    answer = emulated.bedrock().converse_stream(modelId="us.anthropic.claude-sonnet-4-6", **body)
    with pytest.raises(EventStreamError, match="modelStreamErrorException"):
        list(answer["stream"])
    (exchange,) = emulated.control.exchanges(nonce)
    assert exchange.status == 200
    assert exchange.error


@pytest.mark.parametrize("provider", ["anthropic", "azure", "vertex_ai"])
def test_c17_a_stream_of_events_breaks_off_with_an_error_event(emulated: Emulated, provider: Provider) -> None:
    nonce = new_nonce()
    emulated.control.arm(nonce, "broken_stream")
    answer = emulated.post(provider, hello(provider, nonce), stream=True)
    kinds = re.findall(r"^event: (\w+)", answer.text, re.MULTILINE)
    assert (answer.status_code, kinds[0], kinds[-1]) == (200, "message_start", "error")
