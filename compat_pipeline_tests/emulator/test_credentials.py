"""Each provider lets in its own credentials and nobody else's, and refuses in its own words."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from compat_pipeline.emulator.contract import Provider
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.wire_vertex import GRANT
from compat_pipeline_tests.emulator.emulated import PROVIDERS, Emulated, ask, google_assertion, new_nonce

CONVERSE: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
BEDROCK_MODEL = "us.anthropic.claude-sonnet-4-6"


@pytest.mark.parametrize(
    ("provider", "header", "status", "words"),
    [
        ("anthropic", {"x-api-key": "no"}, 401, "invalid x-api-key"),
        ("anthropic", {"authorization": "Bearer no"}, 401, "Invalid bearer token"),
        ("anthropic", {}, 401, "x-api-key header is required"),
        ("azure", {"api-key": "no"}, 401, "invalid subscription key"),
        ("azure", {}, 401, "invalid subscription key"),
        ("vertex_ai", {"authorization": "Bearer ya29.no"}, 401, "UNAUTHENTICATED"),
        ("vertex_ai", {}, 401, "invalid authentication credentials"),
        ("bedrock_invoke", {"authorization": "Bearer no"}, 403, "make sure your API Key is valid"),
        ("bedrock_converse", {"authorization": "Bearer no"}, 403, "make sure your API Key is valid"),
        ("bedrock_converse", {}, 403, "Missing Authentication Token"),
        ("bedrock_converse", {"authorization": "Basic no"}, 403, "not a Signature Version 4"),
    ],
)
def test_a_wrong_credential_is_refused_in_the_providers_words(
    emulated: Emulated, provider: Provider, header: dict[str, str], status: int, words: str
) -> None:
    nonce = new_nonce()
    answer = emulated.http.post(emulated.url(provider), json=ask(nonce), headers=header)
    assert answer.status_code == status
    assert words in answer.text
    (exchange,) = emulated.control.exchanges(nonce)
    assert (exchange.status, exchange.rule) == (status, None)


@pytest.mark.parametrize(
    ("provider", "header"),
    [
        ("anthropic", lambda given: {"authorization": f"Bearer {given.anthropic_api_key}"}),
        ("azure", lambda given: {"x-api-key": given.azure_api_key}),
        ("azure", lambda given: {"authorization": f"Bearer {given.azure_api_key}"}),
    ],
)
def test_the_other_forms_of_a_right_credential_are_accepted(
    emulated: Emulated, provider: Provider, header: Any
) -> None:
    headers = {"anthropic-version": "2023-06-01", **header(emulated.credentials)}
    body = {"model": "claude-sonnet-4-6", **ask("Hello")}
    assert emulated.http.post(emulated.url(provider), json=body, headers=headers).status_code == 200


@pytest.mark.parametrize("provider", ["bedrock_invoke", "bedrock_converse"])
def test_a1_a_bearer_token_is_as_good_as_a_signature(emulated: Emulated, provider: Provider) -> None:
    body = CONVERSE if provider == "bedrock_converse" else ask("Hello")
    assert emulated.post(provider, body).status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "not the secret"}, "InvalidSignatureException"),
        ({"key_id": "AKIANOTTHEKEY"}, "UnrecognizedClientException"),
        ({"region": "eu-west-1"}, "InvalidSignatureException"),
    ],
)
def test_a_wrong_signature_is_an_error_to_awss_client(emulated: Emulated, changes: dict[str, str], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        emulated.bedrock(**changes).converse(modelId=BEDROCK_MODEL, **CONVERSE)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_signature_covers_the_body(emulated: Emulated) -> None:
    client = emulated.bedrock()

    def tamper(request: Any, **_: Any) -> None:
        request.body = request.body.replace(b"Hello", b"Jello")

    client.meta.events.register("before-send.bedrock-runtime.Converse", tamper)
    with pytest.raises(ClientError, match="signature we calculated does not match"):
        client.converse(modelId=BEDROCK_MODEL, **CONVERSE)


@pytest.mark.parametrize(
    "claims",
    [{"iss": "someone@else.iam.gserviceaccount.com"}, {"exp": int(time.time()) - 1}, {"aud": "x"}, {"scope": "email"}],
)
def test_the_token_endpoint_refuses_a_wrong_assertion(emulated: Emulated, claims: dict[str, Any]) -> None:
    form = {"grant_type": GRANT, "assertion": google_assertion(emulated.credentials, **claims)}
    answer = emulated.http.post(f"{emulated.base_url}/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_the_token_endpoint_refuses_a_foreign_key(emulated: Emulated) -> None:
    stranger = EmulatorCredentials.generate()
    for form in ({"grant_type": GRANT, "assertion": google_assertion(stranger)}, {"grant_type": "password"}):
        assert emulated.http.post(f"{emulated.base_url}/token", data=form).status_code == 400


def test_an_assertion_is_no_access_token(emulated: Emulated) -> None:
    headers = {"authorization": f"Bearer {google_assertion(emulated.credentials)}"}
    assert emulated.http.post(emulated.url("vertex_ai"), json=ask("Hi"), headers=headers).status_code == 401


def test_vertex_refuses_another_project(emulated: Emulated) -> None:
    url = emulated.url("vertex_ai").replace(emulated.credentials.vertex_project, "other")
    answer = emulated.http.post(url, json=ask("Hi"), headers=emulated.headers("vertex_ai"))
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_credential_is_recorded(emulated: Emulated, provider: Provider) -> None:
    nonce = new_nonce()
    body = {"messages": [{"role": "user", "content": [{"text": nonce}]}]} if "converse" in provider else ask(nonce)
    emulated.post(provider, body)
    (exchange,) = emulated.control.exchanges(nonce)
    recorded = exchange.model_dump_json()
    for secret in (*emulated.credentials.model_dump().values(), emulated.google_token):
        if secret not in (emulated.credentials.vertex_project, emulated.credentials.vertex_location):
            assert secret not in recorded


def test_the_service_account_key_points_at_the_emulator(credentials: EmulatorCredentials) -> None:
    key = json.loads(credentials.service_account_json("http://127.0.0.1:1"))
    assert (key["type"], key["token_uri"]) == ("service_account", "http://127.0.0.1:1/token")


def test_generated_credentials_differ_and_cannot_be_changed() -> None:
    one, other = EmulatorCredentials.generate(), EmulatorCredentials.generate()
    assert not {one.anthropic_api_key, one.aws_secret_access_key, one.control_token} & set(other.model_dump().values())
    with pytest.raises(ValueError, match="frozen"):
        one.control_token = "x"
