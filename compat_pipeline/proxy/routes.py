"""Whether a proxy that answers at all also serves messages: one real message per route, and what the upstreams made of
them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx

from compat_pipeline.domain.causes import CliFault, UpstreamAnswer, classify
from compat_pipeline.domain.observation import Inconclusive
from compat_pipeline.proxy.runtime import ROUTE_OK
from compat_pipeline.wire.exchange import Exchange

_TIMEOUT_S = 60.0
_AT_A_TIME = 8


class Trial(NamedTuple):
    """One message to one route: `ok` or all that came back in place of a message, and the nonce it was sent under."""

    answer: str
    nonce: str


def try_routes(proxy_url: str, api_key: str, names: Sequence[str]) -> dict[str, Trial]:
    """Name under which a model is served -> how its trial message was answered.

    A broken route is a result, never an error. What came back may quote any secret.
    """
    headers = {"authorization": f"Bearer {api_key}", "anthropic-version": "2023-06-01"}
    with httpx.Client(base_url=proxy_url, headers=headers, timeout=_TIMEOUT_S, trust_env=False) as client:
        pool = ThreadPoolExecutor(_AT_A_TIME)
        try:
            return dict(zip(names, pool.map(lambda name: _try(client, name), names), strict=True))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def provider_health(heard: Mapping[str, Sequence[Exchange]]) -> dict[str, str]:
    """Provider -> `ok` if it answered a message to one of its models, else how it refused the first of them (status and
    words), or that none reached it. `heard` is what the upstreams recorded of each name's trial."""
    asked: dict[str, list[Exchange]] = {}
    for name, exchanges in heard.items():
        asked.setdefault(name.partition("/")[0], []).extend(exchanges)
    return {provider: _health(exchanges) for provider, exchanges in asked.items()}


def _health(asked: Sequence[Exchange]) -> str:
    if any(one.status == httpx.codes.OK and one.error is None for one in asked):
        return ROUTE_OK
    return f"{asked[0].status}: {asked[0].error or 'no answer'}" if asked else "no message reached it"


def refused_accounts(tried: Mapping[str, Trial], heard: Mapping[str, Sequence[Exchange]]) -> dict[str, str]:
    """The names whose message the provider refused for the user's account (no credit, no access to the model, an
    expired token) -> its words."""
    told = {}
    for name, (answer, _) in tried.items():
        if answer != ROUTE_OK:
            upstream = [UpstreamAnswer(one.status, one.error, one.rule) for one in heard[name]]
            outcome = classify(CliFault("other", None, answer), upstream)
            if isinstance(outcome, Inconclusive) and outcome.cause == "account":
                told[name] = outcome.error
    return told


def _try(client: httpx.Client, name: str) -> Trial:
    nonce = f"nonce-{secrets.token_hex(6)}"
    said = {"role": "user", "content": f"Are you there? ({nonce})"}
    return Trial(_answer(client, {"model": name, "max_tokens": 64, "messages": [said]}), nonce)


def _answer(client: httpx.Client, message: Mapping[str, object]) -> str:
    try:
        response = client.post("/v1/messages", json=message)
        if response.status_code == httpx.codes.OK and _is_message(response.json()):
            return ROUTE_OK
    except httpx.HTTPError as error:
        return f"no answer: {error!r}"
    except ValueError:
        pass
    return f"{response.status_code}: {response.text}"


def _is_message(body: object) -> bool:
    return isinstance(body, dict) and body.get("role") == "assistant" and bool(body.get("content"))
