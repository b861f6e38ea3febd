"""A first message to each provider with its own credentials, before any proxy stands in between."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import jwt
from starlette.applications import Starlette

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.emulator.app import build_app
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.wire_vertex import AUDIENCE, GRANT, SCOPE

OK = "ok"
_BASE = "http://emulator"
_MODEL, _BEDROCK_MODEL = "claude-sonnet-4-6", "us.anthropic.claude-sonnet-4-6"
_WORDS = "Say hello."
_TOLD_CHARS = 200


def preflight() -> dict[str, str]:
    """Provider id -> `ok`, or the status and words with which it refused a plain message."""
    credentials = EmulatorCredentials.generate()
    return asyncio.run(_ask_all(build_app(credentials), credentials))


async def _ask_all(app: Starlette, credentials: EmulatorCredentials) -> dict[str, str]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=_BASE) as client:
        google = await _google_token(client, credentials)
        asked = _requests(credentials, google)
        answers = {provider: await client.post(path, headers=headers, json=body)
                   for provider, (path, headers, body) in asked.items()}  # fmt: skip
    fit = Redactor(credentials.secrets).text
    return {
        provider: OK if answer.is_success else f"{answer.status_code} {fit(answer.text)[:_TOLD_CHARS]}"
        for provider, answer in answers.items()
    }


def _requests(credentials: EmulatorCredentials, google: str) -> dict[str, tuple[str, dict[str, str], dict[str, Any]]]:
    """Provider id -> (path, headers, body) of one plain message."""
    message = {"max_tokens": 64, "messages": [{"role": "user", "content": _WORDS}]}
    named = {"model": _MODEL, **message}
    version = {"anthropic-version": "2023-06-01"}
    amazon = {"authorization": f"Bearer {credentials.aws_bearer_token}"}
    vertex = f"/v1/projects/{credentials.vertex_project}/locations/{credentials.vertex_location}"
    return {
        "anthropic": ("/v1/messages", version | {"x-api-key": credentials.anthropic_api_key}, named),
        "azure": ("/azure/anthropic/v1/messages", version | {"api-key": credentials.azure_api_key}, named),
        "bedrock_invoke": (
            f"/model/{_BEDROCK_MODEL}/invoke",
            amazon,
            {"anthropic_version": "bedrock-2023-05-31", **message},
        ),
        "bedrock_converse": (
            f"/model/{_BEDROCK_MODEL}/converse",
            amazon,
            {"messages": [{"role": "user", "content": [{"text": _WORDS}]}]},
        ),
        "vertex_ai": (
            f"{vertex}/publishers/anthropic/models/{_MODEL}:rawPredict",
            {"authorization": f"Bearer {google}"},
            {"anthropic_version": "vertex-2023-10-16", **message},
        ),
    }


async def _google_token(client: httpx.AsyncClient, credentials: EmulatorCredentials) -> str:
    now = int(time.time())
    claims = {"iss": credentials.vertex_client_email, "aud": AUDIENCE, "scope": SCOPE, "iat": now, "exp": now + 600}
    assertion = jwt.encode(claims, credentials.vertex_private_key, algorithm="RS256")
    answer = await client.post("/token", data={"grant_type": GRANT, "assertion": assertion})
    return str(answer.json().get("access_token", ""))
