"""A first message to each provider as LiteLLM would send it, before any proxy stands in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import httpx
import jwt
from starlette.types import ASGIApp

from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.wire_vertex import AUDIENCE, GRANT, SCOPE

OK = "ok"
_BASE = "http://upstreams"
_WORDS = "Say hello."
_TOLD_CHARS = 200
_LIMIT_S = 60.0


def preflight(app: ASGIApp, credentials: EmulatorCredentials, manifest: Manifest, redactor: Redactor) -> dict[str, str]:
    """Provider id -> `ok`, or how it refused a plain message to its first model (status and words), or kept silent.

    `app` are upstreams for whoever knows `credentials`; what it says is cleaned by `redactor`.
    """
    return asyncio.run(_ask_all(app, credentials, manifest, redactor))


async def _ask_all(
    app: ASGIApp, credentials: EmulatorCredentials, manifest: Manifest, redactor: Redactor
) -> dict[str, str]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=_BASE) as client:
        google = await _google_token(client, credentials)
        health = {}
        for provider in manifest.providers:
            path, headers, body = _request(provider.routes[manifest.models[0].id], credentials, google)
            asking = client.post(path, headers=headers, json=body)
            health[provider.id] = redactor.text(await _health(asking))[:_TOLD_CHARS]
    return health


async def _health(asking: Awaitable[httpx.Response]) -> str:
    try:
        answer = await asyncio.wait_for(asking, _LIMIT_S)
    except asyncio.TimeoutError:  # the transport within this process knows no limit
        return f"no answer in {_LIMIT_S:.0f} s"
    return OK if answer.is_success else f"{answer.status_code} {answer.text}"


def _request(route: str, credentials: EmulatorCredentials, google: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Path, headers and body of one plain message to the model that LiteLLM calls `route`."""
    kind, _, model = route.rpartition("/")
    message = {"max_tokens": 64, "messages": [{"role": "user", "content": _WORDS}]}
    version = {"anthropic-version": "2023-06-01"}
    amazon = {"authorization": f"Bearer {credentials.aws_bearer_token}"}
    if kind == "bedrock/converse":
        return f"/model/{model}/converse", amazon, {"messages": [{"role": "user", "content": [{"text": _WORDS}]}]}
    if kind.startswith("bedrock"):
        return f"/model/{model}/invoke", amazon, {"anthropic_version": "bedrock-2023-05-31", **message}
    if kind == "vertex_ai":
        place = f"/v1/projects/{credentials.vertex_project}/locations/{credentials.vertex_location}"
        return (
            f"{place}/publishers/anthropic/models/{model}:rawPredict",
            {"authorization": f"Bearer {google}"},
            {"anthropic_version": "vertex-2023-10-16", **message},
        )
    named = {"model": model, **message}
    if kind == "azure_ai":
        return "/azure/anthropic/v1/messages", version | {"api-key": credentials.azure_api_key}, named
    return "/v1/messages", version | {"x-api-key": credentials.anthropic_api_key}, named


async def _google_token(client: httpx.AsyncClient, credentials: EmulatorCredentials) -> str:
    now = int(time.time())
    claims = {"iss": credentials.vertex_client_email, "aud": AUDIENCE, "scope": SCOPE, "iat": now, "exp": now + 600}
    assertion = jwt.encode(claims, credentials.vertex_private_key, algorithm="RS256")
    answer = await client.post("/token", data={"grant_type": GRANT, "assertion": assertion})
    return str(answer.json().get("access_token", ""))
