"""A running emulator as the tests speak to it: each provider with its own path, credential and body."""

from __future__ import annotations

import base64
import io
import json
import secrets
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import botocore.session
import httpx
import jwt
from botocore.config import Config
from PIL import Image

from compat_pipeline.emulator.contract import Call, Provider
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.wire_vertex import AUDIENCE, GRANT, SCOPE
from compat_pipeline.wire.exchange import UpstreamControl

Json = dict[str, Any]
PROVIDERS: tuple[Provider, ...] = ("anthropic", "azure", "bedrock_invoke", "bedrock_converse", "vertex_ai")
MODELS = {
    "anthropic": "claude-{0}",
    "azure": "claude-{0}",
    "bedrock_invoke": "us.anthropic.claude-{0}",
    "bedrock_converse": "us.anthropic.claude-{0}",
    "vertex_ai": "claude-{0}",
}
SONNET, HAIKU, OPUS = "sonnet-4-6", "haiku-4-5", "opus-4-7"
BASH = {"name": "Bash", "description": "Runs a command.", "input_schema": {"type": "object", "properties": {}}}


@dataclass
class Emulated:
    """One running emulator."""

    base_url: str
    credentials: EmulatorCredentials
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=60.0))

    @cached_property
    def control(self) -> UpstreamControl:
        return UpstreamControl(self.base_url, self.credentials.control_token)

    @cached_property
    def google_token(self) -> str:
        assertion = google_assertion(self.credentials)
        answer = self.http.post(f"{self.base_url}/token", data={"grant_type": GRANT, "assertion": assertion})
        return str(answer.raise_for_status().json()["access_token"])

    def bedrock(self, secret: str | None = None, key_id: str | None = None, region: str | None = None) -> Any:
        """AWS's own client, which signs its requests and checks what it gets."""
        return botocore.session.Session().create_client(
            "bedrock-runtime",
            endpoint_url=self.base_url,
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
            aws_access_key_id=key_id or self.credentials.aws_access_key_id,
            aws_secret_access_key=secret or self.credentials.aws_secret_access_key,
            region_name=region or self.credentials.aws_region,
        )

    def headers(self, provider: Provider) -> dict[str, str]:
        """The credential each provider accepts; Bedrock's is its bearer token."""
        given = self.credentials
        if provider == "anthropic":
            return {"x-api-key": given.anthropic_api_key, "anthropic-version": "2023-06-01"}
        if provider == "azure":
            return {"api-key": given.azure_api_key, "anthropic-version": "2023-06-01"}
        if provider == "vertex_ai":
            return {"authorization": f"Bearer {self.google_token}"}
        return {"authorization": f"Bearer {given.aws_bearer_token}"}

    def url(self, provider: Provider, model: str = SONNET, stream: bool = False) -> str:
        given, model = self.credentials, MODELS[provider].format(model)
        project = f"/v1/projects/{given.vertex_project}/locations/{given.vertex_location}"
        predict = "streamRawPredict" if stream else "rawPredict"
        path = {
            "anthropic": "/v1/messages",
            "azure": "/azure/anthropic/v1/messages",
            "bedrock_invoke": f"/model/{model}/{'invoke-with-response-stream' if stream else 'invoke'}",
            "bedrock_converse": f"/model/{model}/{'converse-stream' if stream else 'converse'}",
            "vertex_ai": f"{project}/publishers/anthropic/models/{model}:{predict}",
        }[provider]
        return self.base_url + path

    def count(
        self, provider: Provider, request: Json, model: str = SONNET, betas: tuple[str, ...] = ()
    ) -> httpx.Response:
        """Ask for the number of input tokens, the way that provider takes it; Bedrock's `model` is a bare id."""
        headers = self.headers(provider) | ({"anthropic-beta": ",".join(betas)} if betas else {})
        if provider.startswith("bedrock"):
            packed = {"invokeModel": {"body": base64.b64encode(json.dumps(request).encode()).decode()}}
            body: Json = {"input": {"converse": request} if provider == "bedrock_converse" else packed}
            url = f"{self.base_url}/model/{model}/count-tokens"
        else:
            body = {"model": MODELS[provider].format(model), **request}
            url = self.url(provider, model)
            counting = url.replace(MODELS[provider].format(model), "count-tokens")
            url = counting if provider == "vertex_ai" else f"{url}/count_tokens"
        return self.http.post(url, json=body, headers=headers)

    def post(
        self, provider: Provider, request: Json, model: str = SONNET, stream: bool = False, betas: tuple[str, ...] = ()
    ) -> httpx.Response:
        """Send a canonical request (for Converse: its own body) the way that provider takes it."""
        body, headers = dict(request), self.headers(provider)
        if provider in ("anthropic", "azure"):
            body = {"model": MODELS[provider].format(model), **body, **({"stream": True} if stream else {})}
        if provider == "vertex_ai":
            body = {"anthropic_version": "vertex-2023-10-16", **body, **({"stream": True} if stream else {})}
        if provider == "bedrock_invoke":
            body = {
                "anthropic_version": "bedrock-2023-05-31",
                **body,
                **({"anthropic_beta": list(betas)} if betas else {}),
            }
        elif betas:
            headers["anthropic-beta"] = ",".join(betas)
        return self.http.post(self.url(provider, model, stream), json=body, headers=headers)


def new_nonce() -> str:
    return f"nonce-{secrets.token_hex(6)}"


def google_assertion(credentials: EmulatorCredentials, **claims: Any) -> str:
    """What google-auth sends for a service account."""
    now = int(time.time())
    usual = {"iss": credentials.vertex_client_email, "aud": AUDIENCE, "scope": SCOPE, "iat": now, "exp": now + 600}
    return jwt.encode({**usual, **claims}, credentials.vertex_private_key, algorithm="RS256")


def ask(text: str, **fields: Any) -> Json:
    """A Messages request of one user turn."""
    return {"max_tokens": 2048, "messages": [user(text)], **fields}


def exactly(nonce: str) -> str:
    return f"Reply with exactly this code and nothing else: {nonce}"


def count_to(nonce: str, last: int) -> str:
    return f"Write the code {nonce} and then the numbers from 1 to {last}, all separated by single spaces."


def run(command: str, nonce: str) -> str:
    return (
        f"Use the Bash tool to run exactly this command: `{command}`. "
        f"Then reply with the code {nonce} followed by the command's output."
    )


def which_colour(nonce: str) -> str:
    return f"Which colour fills this picture? Reply with the code {nonce} followed by the colour's name."


def user(*content: Any) -> Json:
    return {
        "role": "user",
        "content": [{"type": "text", "text": part} if isinstance(part, str) else part for part in content],
    }


def assistant(*content: Any) -> Json:
    return {**user(*content), "role": "assistant"}


def tool_result(tool_id: str, output: str) -> Json:
    return {"type": "tool_result", "tool_use_id": tool_id, "content": output}


def picture(colour: tuple[int, int, int], side_px: int = 32) -> Json:
    data = base64.b64encode(png(colour, side_px)).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def png(colour: tuple[int, int, int], side_px: int = 32) -> bytes:
    output = io.BytesIO()
    Image.new("RGB", (side_px, side_px), colour).save(output, "PNG")
    return output.getvalue()


def call_of(request: Json, provider: Provider = "anthropic", model: str = SONNET, **changes: Any) -> Call:
    """A canonical call, as a wire hands it on."""
    call = Call(
        provider=provider,
        operation="messages",
        model=MODELS[provider].format(model),
        streamed=False,
        betas=frozenset(),
        request=request,
        body=request,
    )
    return replace(call, **changes)
