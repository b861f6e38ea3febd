"""Vertex AI's wire: rawPredict and streamRawPredict, and the token endpoint that a service account asks first."""

from __future__ import annotations

import functools
import time
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from compat_pipeline.emulator.contract import AuthKind, Call, Incoming, Json, Refused, Wire, json_object
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.wire_anthropic import bearer_of, betas_of, sse, whole_message

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"  # google-auth signs for Google's address whatever the token_uri
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TOKEN_LIFE_S = 3600
_COUNT_TOKENS = "count-tokens"
_MODELS = "/v1/projects/{project}/locations/{location}/publishers/anthropic/models"


class BadGrant(Exception):
    """Google's answer to an assertion it does not accept."""


def issue_token(form: bytes, credentials: EmulatorCredentials) -> Json:
    """An access token for a signed service-account assertion (RFC 7523); raises BadGrant."""
    fields = parse_qs(form.decode("utf-8", "replace"))
    if fields.get("grant_type") != [GRANT] or "assertion" not in fields:
        raise BadGrant("Invalid grant_type.")
    try:
        claims = jwt.decode(
            fields["assertion"][0],
            _public_key(credentials),
            algorithms=["RS256"],
            audience=AUDIENCE,
            issuer=credentials.vertex_client_email,
            options={"require": ["exp", "iat", "scope"]},
        )
    except jwt.InvalidTokenError as invalid:
        raise BadGrant(f"Invalid JWT: {invalid}") from invalid
    if SCOPE not in str(claims["scope"]).split():
        raise BadGrant("Invalid OAuth scope.")
    token = jwt.encode({"exp": time.time() + _TOKEN_LIFE_S}, credentials.vertex_private_key, algorithm="RS256")
    return {"access_token": f"ya29.{token}", "token_type": "Bearer", "expires_in": _TOKEN_LIFE_S}


def _authenticate(incoming: Incoming, credentials: EmulatorCredentials) -> AuthKind:
    prefix, _, token = bearer_of(incoming).partition(".")
    try:
        jwt.decode(token, _public_key(credentials), algorithms=["RS256"], options={"require": ["exp"]})
    except jwt.InvalidTokenError as invalid:
        raise Refused("authentication") from invalid
    if prefix != "ya29":
        raise Refused("authentication")
    project, location = incoming.path["project"], incoming.path["location"]
    if (project, location) != (credentials.vertex_project, credentials.vertex_location):
        message = f"Permission denied on resource projects/{project}/locations/{location}."
        raise Refused("account", message)
    return "bearer"


def _public_key(credentials: EmulatorCredentials) -> RSAPublicKey:
    return _public_key_of(credentials.vertex_private_key)


@functools.lru_cache(maxsize=4)
def _public_key_of(private_key: str) -> RSAPublicKey:
    key = load_pem_private_key(private_key.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("vertex_private_key is not an RSA key")
    return key.public_key()


def _read(incoming: Incoming) -> Call:
    body = json_object(incoming.body)
    counting = incoming.path["model"] == _COUNT_TOKENS
    return Call(
        provider="vertex_ai",
        operation=_COUNT_TOKENS.replace("-", "_") if counting else incoming.operation,
        model=str(body.get("model")) if counting else incoming.path["model"],
        streamed=incoming.operation == "streamRawPredict" or body.get("stream") is True,
        betas=betas_of(incoming),
        request=body,
        body=body,
        size_bytes=len(incoming.body),
    )


WIRE = Wire(
    provider="vertex_ai",
    routes=tuple((f"{_MODELS}/{{model}}:{operation}", operation) for operation in ("rawPredict", "streamRawPredict")),
    authenticate=_authenticate,
    read=_read,
    whole=whole_message,
    stream=sse,
)
