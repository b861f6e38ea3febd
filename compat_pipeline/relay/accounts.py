"""The user's own accounts at the providers, read from the environment. Nothing is sent, nothing is written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, ConfigDict, Field

Holder = Literal["anthropic", "azure", "bedrock", "vertex_ai"]
"""Who keeps an account; both of Bedrock's wires are one."""

_NETWORK_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
_GEOGRAPHIES = ("us", "eu")


class _Account(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class KeyAccount(_Account):
    """One API key at `url` (no slash at its end)."""

    url: str
    api_key: str = Field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.api_key,)


class AwsAccount(_Account):
    """Bedrock by AWS keys, by a bearer token, or by either; what is not set is empty.

    `mantle_url` is where tokens are counted for models that the runtime at `url` does not count for.
    """

    url: str
    mantle_url: str
    region: str
    access_key_id: str = Field(repr=False)
    secret_access_key: str = Field(repr=False)
    session_token: str = Field(repr=False)
    bearer_token: str = Field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.access_key_id, self.secret_access_key, self.session_token, self.bearer_token


class GoogleAccount(_Account):
    """A service account that may use Vertex AI in one project and location; `private_key` is in PEM."""

    url: str
    project: str
    location: str
    client_email: str
    private_key: str = Field(repr=False)
    private_key_id: str
    token_url: str

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.private_key,)


class Accounts(_Account):
    """Every account there is. `missing` says of each other one why it cannot be used.

    `network` holds the proxy and certificate settings with which the providers are reached from here.
    """

    anthropic: KeyAccount | None = None
    azure: KeyAccount | None = None
    bedrock: AwsAccount | None = None
    vertex_ai: GoogleAccount | None = None
    missing: dict[Holder, str] = {}
    network: dict[str, str] = Field(default={}, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be in anything that is kept or shown."""
        held = (self.anthropic, self.azure, self.bedrock, self.vertex_ai)
        return tuple(secret for account in held if account for secret in account.secrets if secret)

    @property
    def digest(self) -> str:
        """Changes with any of it, and tells nothing of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


class _Unusable(Exception):
    """Why there is no account: a clause that names the variable."""


def accounts_from_env(environ: Mapping[str, str] = os.environ) -> Accounts:
    """The accounts that the environment gives, by the names under which the providers' own tools know them.

    One that is not given, or cannot be used, is no error: it is in `missing`. Blanks and newlines around a value, as a
    secret's file leaves them, are no part of it. Addresses of private links may be set as
    COMPAT_LIVE_ANTHROPIC_URL, COMPAT_LIVE_BEDROCK_URL and COMPAT_LIVE_VERTEX_URL; Azure has no other kind.
    """
    found: dict[str, Any] = {}
    missing: dict[Holder, str] = {}
    for holder, read in _READERS.items():
        try:
            found[holder] = read(environ)
        except _Unusable as why:
            missing[holder] = str(why)
    given = {name: value.strip() for name, value in environ.items() if name.upper() in _NETWORK_VARIABLES}
    network = {name: value for name, value in given.items() if value}
    return Accounts(**found, missing=missing, network=network)


def _anthropic(environ: Mapping[str, str]) -> KeyAccount:
    (key,) = _needed(environ, "ANTHROPIC_API_KEY")
    return KeyAccount(url=_url(environ, "COMPAT_LIVE_ANTHROPIC_URL", "https://api.anthropic.com"), api_key=key)


def _azure(environ: Mapping[str, str]) -> KeyAccount:
    """As LiteLLM reads AZURE_API_BASE: with or without `/anthropic` and the path behind it."""
    key, base = _needed(environ, "AZURE_API_KEY", "AZURE_API_BASE")
    return KeyAccount(url=base.rstrip("/").removesuffix("/v1/messages").removesuffix("/anthropic"), api_key=key)


def _bedrock(environ: Mapping[str, str]) -> AwsAccount:
    if token := _given(environ, "AWS_BEARER_TOKEN_BEDROCK"):
        (region,) = _needed(environ, "AWS_REGION")
    else:
        region, *_ = _needed(environ, "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    url = _url(environ, "COMPAT_LIVE_BEDROCK_URL", f"https://bedrock-runtime.{region}.amazonaws.com")
    return AwsAccount(
        url=url,
        mantle_url=_url(environ, "COMPAT_LIVE_BEDROCK_URL", f"https://bedrock-mantle.{region}.api.aws"),
        region=region,
        access_key_id=_given(environ, "AWS_ACCESS_KEY_ID"),
        secret_access_key=_given(environ, "AWS_SECRET_ACCESS_KEY"),
        session_token=_given(environ, "AWS_SESSION_TOKEN"),
        bearer_token=token,
    )


def _vertex(environ: Mapping[str, str]) -> GoogleAccount:
    project, location, path = _needed(environ, "VERTEX_PROJECT", "VERTEX_LOCATION", "GOOGLE_APPLICATION_CREDENTIALS")
    key = _service_account(Path(path))
    return GoogleAccount(
        url=_url(environ, "COMPAT_LIVE_VERTEX_URL", _vertex_host(location)),
        project=project,
        location=location,
        client_email=key["client_email"],
        private_key=key["private_key"],
        private_key_id=key["private_key_id"],
        token_url=key["token_uri"],
    )


def _vertex_host(location: str) -> str:
    """Source: Google's list of Vertex AI endpoints: global, multi-region and regional."""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in _GEOGRAPHIES:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _service_account(path: Path) -> dict[str, str]:
    """The key file of a service account, its private key tried."""
    try:
        key = json.loads(path.read_bytes())
        fields = {name: str(key[name]) for name in ("client_email", "private_key", "private_key_id", "token_uri")}
        load_pem_private_key(fields["private_key"].encode(), password=None)
    except OSError as error:
        raise _Unusable(f"GOOGLE_APPLICATION_CREDENTIALS names a file that cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm):  # whose texts may quote the key
        raise _Unusable("GOOGLE_APPLICATION_CREDENTIALS names a file that is not a service account's key") from None
    return fields


def _needed(environ: Mapping[str, str], *names: str) -> list[str]:
    given = {name: _given(environ, name) for name in names}
    if absent := [name for name, value in given.items() if not value]:
        raise _Unusable(f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not set")
    return list(given.values())


def _given(environ: Mapping[str, str], name: str) -> str:
    """The value of a variable, empty where it is not set."""
    value = environ.get(name, "").strip()
    if not value.isprintable():  # no header can hold it, and who refuses the header may quote it
        raise _Unusable(f"{name} holds a character that cannot be printed")
    return value


def _url(environ: Mapping[str, str], variable: str, usual: str) -> str:
    return (_given(environ, variable) or usual).rstrip("/")


_READERS: Mapping[Holder, Callable[[Mapping[str, str]], _Account]] = {
    "anthropic": _anthropic,
    "azure": _azure,
    "bedrock": _bedrock,
    "vertex_ai": _vertex,
}
