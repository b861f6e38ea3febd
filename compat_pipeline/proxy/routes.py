"""Whether a proxy that answers at all also serves messages: one real message per route."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from compat_pipeline.proxy.runtime import ROUTE_OK

_TIMEOUT_S = 60.0
_AT_A_TIME = 8


def try_routes(proxy_url: str, api_key: str, names: Sequence[str]) -> dict[str, str]:
    """Name under which a model is served -> `ok`, or all that came back in place of a message.

    A broken route is a result, never an error. What came back may quote any secret.
    """
    headers = {"authorization": f"Bearer {api_key}", "anthropic-version": "2023-06-01"}
    with httpx.Client(base_url=proxy_url, headers=headers, timeout=_TIMEOUT_S, trust_env=False) as client:
        pool = ThreadPoolExecutor(_AT_A_TIME)
        try:
            return dict(zip(names, pool.map(lambda name: _try(client, name), names), strict=True))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _try(client: httpx.Client, name: str) -> str:
    message = {"model": name, "max_tokens": 64, "messages": [{"role": "user", "content": "Are you there?"}]}
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
