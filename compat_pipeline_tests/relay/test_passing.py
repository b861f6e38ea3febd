"""What goes through the relay is what would have gone without it, and is on record in the same terms."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from compat_pipeline.emulator.contract import Provider
from compat_pipeline.wire.exchange import Exchange
from compat_pipeline_tests.emulator.emulated import (
    BASH,
    PROVIDERS,
    SONNET,
    Emulated,
    ask,
    count_to,
    exactly,
    new_nonce,
    run,
)
from compat_pipeline_tests.relay.conftest import Chain

THINKING = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
CONVERSED = ("content", "stop_reason", "usage")
LIMIT_S = 60.0
Json = dict[str, Any]


def request_of(provider: Provider, text: str, *, tool: bool = False) -> Json:
    """A request that makes the model think, as that provider takes it."""
    if provider != "bedrock_converse":
        return ask(text, **THINKING, **({"tools": [BASH]} if tool else {}))
    spec = {"toolSpec": {"name": "Bash", "inputSchema": {"json": BASH["input_schema"]}}}
    return {
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "additionalModelRequestFields": THINKING,
        **({"toolConfig": {"tools": [spec]}} if tool else {}),
    }


def likened(data: bytes) -> bytes:
    """An answer without what is new in each: ids, signatures (which seal a request's time), frame checksums."""
    text = re.sub(rb"(msg|toolu|tooluse|req|srvtoolu)_(bdrk_|vrtx_)?[0-9a-zA-Z]{10,}", b"ID", data)
    return re.sub(rb'"signature": ?"[^"]+"', b"SIGNATURE", text)


def only(emulated: Emulated, nonce: str) -> Exchange:
    (exchange,) = emulated.control.exchanges(nonce)
    return exchange


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_bytes_that_leave_the_cloud_arrive(chain: Chain, provider: Provider, stream: bool) -> None:
    nonce = new_nonce()
    body = {"messages": [{"role": "user", "content": [{"text": exactly(nonce)}]}]}
    request = body if provider == "bedrock_converse" else ask(exactly(nonce))
    direct = chain.cloud.post(provider, request, stream=stream)
    relayed = chain.relay.post(provider, request, stream=stream)
    assert relayed.status_code == direct.status_code == 200, relayed.text
    if "eventstream" in direct.headers["content-type"]:
        assert len(relayed.content) == len(direct.content)
    else:
        assert likened(relayed.content) == likened(direct.content)
    passed = {name: value for name, value in direct.headers.items() if name not in ("date", "transfer-encoding")}
    assert {name: relayed.headers.get(name) for name in passed} == passed


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("tool", [False, True], ids=["words", "tool"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_record_is_the_one_that_the_cloud_would_have_made(
    chain: Chain, provider: Provider, tool: bool, stream: bool
) -> None:
    nonce = new_nonce()
    text = run("echo hi", nonce) if tool else count_to(nonce, 30)
    chain.relay.post(provider, request_of(provider, text, tool=tool), stream=stream).raise_for_status()
    here, there = only(chain.relay, nonce), only(chain.cloud, nonce)
    assert here.reply is not None
    assert there.reply is not None
    if provider == "bedrock_converse":  # whose wire carries no more
        told = {part: there.reply[part] for part in CONVERSED}
        told["usage"] = {name: told["usage"][name] for name in here.reply["usage"]}
        assert {part: here.reply[part] for part in CONVERSED} == told
    else:
        assert here.reply == there.reply
    same = {"provider", "operation", "model", "streamed", "betas", "request", "status", "error", "delivered", "auth"}
    assert here.model_dump(include=same) == there.model_dump(include=same)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_count_of_tokens_is_on_record(chain: Chain, provider: Provider) -> None:
    nonce = new_nonce()
    text = f"How long is this? {nonce}"
    content = [{"text": text}] if provider == "bedrock_converse" else text
    request: Json = {"messages": [{"role": "user", "content": content}]}
    if provider == "bedrock_invoke":
        request |= {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100}
    model = "anthropic.claude-sonnet-4-6" if provider.startswith("bedrock") else SONNET
    answer = chain.relay.count(provider, request, model)
    assert answer.status_code == 200, answer.text
    here = only(chain.relay, nonce)
    assert (here.operation, here.reply) == ("count_tokens", only(chain.cloud, nonce).reply)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_refusal_is_on_record_in_the_provider_s_own_words(chain: Chain, provider: Provider) -> None:
    nonce = new_nonce()
    chain.cloud.control.arm(nonce, "no_credit")
    body = {"messages": [{"role": "user", "content": [{"text": exactly(nonce)}]}]}
    answer = chain.relay.post(provider, body if provider == "bedrock_converse" else ask(exactly(nonce)))
    here, there = only(chain.relay, nonce), only(chain.cloud, nonce)
    assert (here.status, here.error, here.reply) == (there.status, there.error, None)
    assert answer.status_code == there.status
    assert str(there.error) in json.loads(json.dumps(answer.text))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_error_within_a_stream_is_on_record(chain: Chain, provider: Provider) -> None:
    nonce = new_nonce()
    chain.cloud.control.arm(nonce, "broken_stream")
    answer = chain.relay.post(provider, request_of(provider, count_to(nonce, 30)), stream=True)
    here = only(chain.relay, nonce)
    assert here.status == 200
    assert here.error
    assert here.error.encode() in answer.content


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_user_s_credentials_reach_the_cloud_and_the_made_up_ones_do_not(chain: Chain, provider: Provider) -> None:
    body = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    request = body if provider == "bedrock_converse" else ask("Hello")
    answer = httpx.post(
        chain.relay.url(provider).replace(chain.relay.base_url, chain.cloud.base_url),
        json={"model": "claude-sonnet-4-6", **request},
        headers=chain.relay.headers(provider),
        trust_env=False,
    )
    assert answer.status_code in (401, 403)  # the cloud knows no made-up credential
    assert chain.relay.post(provider, request).status_code == 200
    direct = chain.cloud.http.post(
        chain.cloud.url(provider).replace(chain.cloud.base_url, chain.relay.base_url),
        json={"model": "claude-sonnet-4-6", **request},
        headers=chain.cloud.headers(provider),
    )
    assert direct.status_code in (401, 403)  # and the relay none of the user's


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_that_litellm_was_given_reaches_the_cloud(chain: Chain, provider: Provider) -> None:
    chain.relay.post(provider, request_of(provider, "Hello")).raise_for_status()
    made_up = [secret.encode() for secret in (*chain.relay.credentials.secrets, chain.relay.google_token)]
    came = chain.door.heard[-1]
    assert not [name for name, value in came if any(secret in value for secret in made_up)]
    assert max(Counter(name for name, _ in came).values()) == 1


def test_a_signed_request_is_signed_anew_whatever_the_model_s_name(chain: Chain) -> None:
    for model in ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "us.anthropic.claude-sonnet-4-6"):
        nonce = new_nonce()
        messages = [{"role": "user", "content": [{"text": exactly(nonce)}]}]
        answer = chain.relay.bedrock().converse(modelId=model, messages=messages)
        assert answer["output"]["message"]["content"] == [{"text": nonce}]
        assert only(chain.relay, nonce).auth == only(chain.cloud, nonce).auth == "signed"


def ended(emulated: Emulated, nonce: str) -> bool | None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        exchanges = emulated.control.exchanges(nonce)
        if exchanges and exchanges[-1].delivered is not None:
            return exchanges[-1].delivered
        time.sleep(0.01)
    return None


def test_a_hang_up_passes_through_to_the_cloud(chain: Chain) -> None:
    nonce = new_nonce()
    chain.cloud.control.arm(nonce, "stall:60")
    body = {"model": "claude-sonnet-4-6", "stream": True, **ask(exactly(nonce))}
    address, headers = chain.relay.url("anthropic"), chain.relay.headers("anthropic")
    with httpx.stream("POST", address, json=body, headers=headers, trust_env=False) as answer:
        next(answer.iter_raw())
    assert ended(chain.cloud, nonce) is False
    assert ended(chain.relay, nonce) is False


def test_a_hang_up_before_the_answer_passes_through_to_the_cloud(chain: Chain) -> None:
    nonce = new_nonce()
    chain.cloud.control.arm(nonce, "slow:5")
    body = {"model": "claude-sonnet-4-6", "stream": True, **ask(exactly(nonce))}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            chain.relay.url("anthropic"), json=body, headers=chain.relay.headers("anthropic"),
            timeout=0.5, trust_env=False,
        )  # fmt: skip
    assert ended(chain.relay, nonce) is False
