"""Trouble on the way to a real provider is told as what it is, and never as a fault of the request."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from compat_pipeline.domain.causes import CliFault, UpstreamAnswer, classify
from compat_pipeline.domain.observation import Inconclusive
from compat_pipeline.emulator.contract import Provider
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.persona import reply_to
from compat_pipeline.relay.accounts import Accounts, KeyAccount, accounts_from_env
from compat_pipeline.wire.background import BackgroundServer
from compat_pipeline.wire.exchange import CannotScript, Exchange
from compat_pipeline_tests.e2e.conftest import free_port
from compat_pipeline_tests.emulator.emulated import (
    PROVIDERS,
    Emulated,
    ask,
    call_of,
    count_to,
    exactly,
    new_nonce,
)
from compat_pipeline_tests.relay.conftest import Chain, relaying, user_environment

NOWHERE = "http://no-such-host.invalid"


def hello(provider: Provider, nonce: str) -> dict[str, Any]:
    if provider == "bedrock_converse":
        return {"messages": [{"role": "user", "content": [{"text": exactly(nonce)}]}]}
    return ask(exactly(nonce))


def cause_of(exchange: Exchange) -> str:
    """Whom a cell would point at."""
    answer = UpstreamAnswer(exchange.status, exchange.error, exchange.rule)
    outcome = classify(CliFault("api", 500, "API Error: 500"), [answer])
    assert isinstance(outcome, Inconclusive), outcome
    return outcome.cause


def asked(relay: Emulated, provider: Provider, stream: bool = False) -> Exchange:
    nonce = new_nonce()
    relay.post(provider, hello(provider, nonce), stream=stream)
    (exchange,) = relay.control.exchanges(nonce)
    return exchange


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_an_account_nothing_is_sent_and_the_variable_is_named(provider: Provider) -> None:
    with relaying(accounts_from_env({})) as relay:
        exchange = asked(relay, provider)
    assert exchange.status in (401, 403)
    assert "not set" in str(exchange.error)
    assert exchange.rule is None
    assert cause_of(exchange) == "account"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_wrong_credentials_are_an_account_s_trouble(
    cloud: Emulated, environment: dict[str, str], tmp_path: Path, provider: Provider
) -> None:
    wrong = user_environment(cloud.base_url, EmulatorCredentials.generate(), tmp_path)
    places = ("VERTEX_PROJECT", "VERTEX_LOCATION", "AWS_REGION")
    with relaying(accounts_from_env(wrong | {name: environment[name] for name in places})) as relay:
        assert cause_of(asked(relay, provider)) == "account"


@pytest.mark.parametrize("nowhere", ["refused", "unresolved"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_that_cannot_be_reached_is_the_environment_s_trouble(
    environment: dict[str, str], provider: Provider, nowhere: str
) -> None:
    place = NOWHERE if nowhere == "unresolved" else f"http://127.0.0.1:{free_port()}"
    urls = ("COMPAT_LIVE_ANTHROPIC_URL", "COMPAT_LIVE_BEDROCK_URL", "COMPAT_LIVE_VERTEX_URL", "AZURE_API_BASE")
    with relaying(accounts_from_env(environment | dict.fromkeys(urls, place))) as relay:
        exchange = asked(relay, provider)
    assert f"the relay cannot reach {provider}" in str(exchange.error)
    assert cause_of(exchange) == "environment"


def test_a_key_that_cannot_be_sent_is_not_shown_to_litellm(cloud: Emulated) -> None:
    with relaying(Accounts(anthropic=KeyAccount(url=cloud.base_url, api_key="the-users-key\n"))) as relay:
        nonce = new_nonce()
        answer = relay.post("anthropic", hello("anthropic", nonce))
        (exchange,) = relay.control.exchanges(nonce)
    assert answer.status_code >= 500
    assert "the-users-key" not in answer.text
    assert "the-users-key" not in str(exchange.error)


@pytest.mark.parametrize("behaviour", ["reset", "reset_stream"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_connection_that_the_cloud_breaks_is_broken_towards_litellm_too(
    chain: Chain, provider: Provider, behaviour: str
) -> None:
    nonce = new_nonce()
    chain.cloud.control.arm(nonce, behaviour)
    if behaviour == "reset":
        assert chain.relay.post(provider, hello(provider, nonce), stream=True).status_code >= 500
    else:
        with pytest.raises(httpx.TransportError):
            chain.relay.post(provider, hello(provider, nonce), stream=True)
    (exchange,) = chain.relay.control.exchanges(nonce)
    assert cause_of(exchange) == "environment"


# --- what the relay does by itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["refused_key", "prompt_too_long", "overloaded", "rate_limited:7", "no_credit"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_scripted_refusal_is_worded_as_that_provider_does_and_costs_nothing(
    chain: Chain, provider: Provider, behaviour: str
) -> None:
    nonce, other = new_nonce(), new_nonce()
    chain.relay.control.arm(nonce, behaviour)
    chain.cloud.control.arm(other, behaviour)
    here, there = (
        emulated.post(provider, hello(provider, mark))
        for emulated, mark in ((chain.relay, nonce), (chain.cloud, other))
    )
    assert (here.status_code, here.headers.get("retry-after")) == (there.status_code, there.headers.get("retry-after"))
    assert chain.cloud.control.exchanges(nonce) == []
    (exchange,) = chain.relay.control.exchanges(nonce)
    (real,) = chain.cloud.control.exchanges(other)
    assert (exchange.status, exchange.error) == (real.status, real.error)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_scripted_pause_comes_after_the_first_events(chain: Chain, provider: Provider) -> None:
    nonce = new_nonce()
    chain.relay.control.arm(nonce, "stall:0.6")
    text = count_to(nonce, 30)
    body = {"messages": [{"role": "user", "content": [{"text": text}]}]}
    started = time.monotonic()
    answer = chain.relay.post(provider, body if provider == "bedrock_converse" else ask(text), stream=True)
    assert time.monotonic() - started >= 0.6
    assert answer.status_code == 200
    (exchange,) = chain.relay.control.exchanges(nonce)
    assert exchange.delivered
    assert nonce in str(exchange.reply)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_scripted_reset_in_mid_stream_breaks_the_connection(chain: Chain, provider: Provider) -> None:
    nonce = new_nonce()
    chain.relay.control.arm(nonce, "reset_stream")
    with pytest.raises(httpx.TransportError):
        chain.relay.post(provider, hello(provider, nonce), stream=True)
    (exchange,) = chain.relay.control.exchanges(nonce)
    assert (exchange.status, exchange.error, exchange.delivered) == (200, "connection reset", False)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_scripted_end_in_mid_stream_looks_like_the_end(chain: Chain, provider: Provider) -> None:
    nonce = new_nonce()
    chain.relay.control.arm(nonce, "truncated_stream")
    assert chain.relay.post(provider, hello(provider, nonce), stream=True).status_code == 200
    (exchange,) = chain.relay.control.exchanges(nonce)
    assert (exchange.status, exchange.error) == (200, "the answer ended before it was whole")


@pytest.mark.parametrize("behaviour", ["shapes_shown", "shapes_hidden", "broken_stream", "no_such_thing"])
def test_what_only_a_persona_can_do_is_refused(chain: Chain, behaviour: str) -> None:
    with pytest.raises(CannotScript, match=f"cannot be made to do '{behaviour}'"):
        chain.relay.control.arm(new_nonce(), behaviour)


# --- odd answers -------------------------------------------------------------------------------------------------


class Odd:
    """A cloud that answers each request with the same bytes."""

    def __init__(self, body: bytes, status: int = 200, **headers: str) -> None:
        self._body, self._status = body, status
        self._headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's form
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


@contextmanager
def before(cloud: ASGIApp) -> Iterator[Emulated]:
    server = BackgroundServer(cloud)
    given = {"ANTHROPIC_API_KEY": "a-key", "COMPAT_LIVE_ANTHROPIC_URL": server.base_url}
    accounts: Accounts = accounts_from_env(given)
    try:
        with relaying(accounts) as relay:
            yield relay
    finally:
        server.stop()


def test_a_compressed_answer_passes_as_it_is_and_is_read() -> None:
    content, stop_reason = reply_to(call_of(ask("Hello")))
    message = {"type": "message", "role": "assistant", "content": content, "stop_reason": stop_reason}
    packed = gzip.compress(json.dumps(message).encode())
    with before(Odd(packed, content_type="application/json", content_encoding="gzip")) as relay:
        nonce = new_nonce()
        with httpx.stream(
            "POST", relay.url("anthropic"), json={"model": "m", **ask(nonce)}, headers=relay.headers("anthropic")
        ) as answer:
            assert b"".join(answer.iter_raw()) == packed
        assert [one.reply for one in relay.control.exchanges(nonce)] == [message]


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (Odd(b"<html>Bad gateway</html>", 502, content_type="text/html"), "<html>Bad gateway</html>"),
        (Odd(b"", 503), "no reason given"),
        (Odd(b'[{"error": {"message": "Quota exceeded"}}]', 429), "Quota exceeded"),
        (Odd(b"<html>Sign in</html>", content_type="text/html"), "<html>Sign in</html>"),
        (
            Odd(b'event: ping\ndata: {"type": "ping"}\n\n', content_type="text/event-stream"),
            "the answer ended before it was whole",
        ),
    ],
)
def test_an_answer_that_is_none_is_on_record_as_it_came(odd: Odd, words: str) -> None:
    with before(odd) as relay:
        exchange = asked(relay, "anthropic")
    assert (exchange.reply, exchange.error) == (None, words)
    assert cause_of(exchange) in ("provider", "account")
