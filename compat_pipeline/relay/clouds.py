"""The way to the real providers: where a request goes, and the user's credential in place of the made-up one."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import jwt
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from compat_pipeline.emulator.contract import CREDENTIAL_HEADERS, AuthKind, Incoming, Provider, Refused
from compat_pipeline.emulator.wire_vertex import AUDIENCE, GRANT, SCOPE
from compat_pipeline.relay.accounts import Accounts, AwsAccount, GoogleAccount, Holder, KeyAccount
from compat_pipeline.wire.client_exchange import RawHeaders
from compat_pipeline.wire.passing import end_to_end

_CONNECT_S, _SILENCE_S = 10.0, 600.0
_TOKEN_LIFE_S, _TOKEN_MARGIN_S = 3600, 120
_MADE_FOR_US = CREDENTIAL_HEADERS | {"host", "x-amz-date", "x-amz-content-sha256"}
"""Headers that hold for the relay's address and the made-up credentials only."""

HOLDERS: Mapping[Provider, Holder] = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock_invoke": "bedrock",
    "bedrock_converse": "bedrock",
    "vertex_ai": "vertex_ai",
}
_VERTEX_PLACE = re.compile(r"^/v1/projects/[^/]+/locations/[^/]+/")
_MANTLE_PREFIX = "/anthropic/"


@dataclass(frozen=True)
class _Way:
    """Where a request goes, and the headers that make the user known there."""

    base_url: str
    target: str
    headers: Mapping[str, str]


class Clouds:
    """The providers under the user's accounts."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        # A connection per request: one that is kept may be closed by the provider just as it is used again.
        self._http = httpx.AsyncClient(limits=httpx.Limits(max_connections=None, max_keepalive_connections=0))
        self._google = _GoogleTokens(self._http)

    @asynccontextmanager
    async def ask(
        self, provider: Provider, auth: AuthKind, incoming: Incoming, headers: RawHeaders
    ) -> AsyncIterator[httpx.Response]:
        """The provider's answer to `incoming`, open for its raw bytes.

        Method, body and `headers` pass as they are, but for what belongs to one connection and what `_Way` replaces;
        `auth` is how LiteLLM was known, and so is the user where there is a choice. Raises Refused, in the relay's own
        words, where the user has no account there or the provider cannot be reached.
        """
        way = await self._way(provider, auth, incoming)
        kept = [pair for pair in end_to_end(list(headers)) if pair[0].decode("latin-1") not in _MADE_FOR_US]
        url = httpx.URL(way.base_url)
        request = httpx.Request(
            incoming.method,
            url,
            headers=kept + [(name.encode(), value.encode()) for name, value in way.headers.items()],
            content=incoming.body,
            extensions={
                "target": url.raw_path.rstrip(b"/") + way.target.encode(),
                "timeout": httpx.Timeout(_SILENCE_S, connect=_CONNECT_S).as_dict(),
            },
        )
        try:
            response = await self._http.send(request, stream=True)
        except httpx.TransportError as error:
            raise _unreachable(provider, error) from error
        try:
            yield response
        finally:
            await response.aclose()

    async def _way(self, provider: Provider, auth: AuthKind, incoming: Incoming) -> _Way:
        account = self._account(provider)
        if isinstance(account, AwsAccount):
            return _to_bedrock(account, auth, incoming)
        if isinstance(account, GoogleAccount):
            place = f"/v1/projects/{account.project}/locations/{account.location}/"
            bearer = {"authorization": f"Bearer {await self._google.of(account)}"}
            return _Way(account.url, _VERTEX_PLACE.sub(place, incoming.target), bearer)
        if provider == "azure":
            name = "api-key" if "api-key" in incoming.headers else "x-api-key"
            return _Way(account.url, incoming.target.removeprefix("/azure"), {name: account.api_key})
        return _Way(account.url, incoming.target, {"x-api-key": account.api_key})

    def _account(self, provider: Provider) -> KeyAccount | AwsAccount | GoogleAccount:
        holder = HOLDERS[provider]
        account: KeyAccount | AwsAccount | GoogleAccount | None = getattr(self._accounts, holder)
        if account is None:
            raise _no_credentials(provider, self._accounts.missing.get(holder, "none were given"))
        return account


def _to_bedrock(account: AwsAccount, auth: AuthKind, incoming: Incoming) -> _Way:
    """Signed or with the bearer token as LiteLLM asked, where the user has both; with what there is otherwise."""
    base_url = account.mantle_url if incoming.target.startswith(_MANTLE_PREFIX) else account.url
    if account.bearer_token and (auth == "bearer" or not account.secret_access_key):
        return _Way(base_url, incoming.target, {"authorization": f"Bearer {account.bearer_token}"})
    # Only what no station on the way changes is signed: the host, the content's type and the body.
    request = AWSRequest(method=incoming.method, url=base_url + incoming.target, data=incoming.body)
    if "content-type" in incoming.headers:
        request.headers["content-type"] = incoming.headers["content-type"]
    keys = Credentials(account.access_key_id, account.secret_access_key, account.session_token or None)
    SigV4Auth(keys, "bedrock", account.region).add_auth(request)
    made = {name.lower(): value for name, value in request.headers.items() if name.lower() != "content-type"}
    return _Way(base_url, incoming.target, made)


class _GoogleTokens:
    """Access tokens of a service account (RFC 7523), each asked for once and used until shortly before its end."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._token, self._until = "", 0.0
        self._asking = asyncio.Lock()

    async def of(self, account: GoogleAccount) -> str:
        async with self._asking:
            if time.time() >= self._until:
                self._token, self._until = await self._ask(account)
        return self._token

    async def _ask(self, account: GoogleAccount) -> tuple[str, float]:
        now = int(time.time())
        claims = {"iss": account.client_email, "aud": AUDIENCE, "scope": SCOPE, "iat": now, "exp": now + _TOKEN_LIFE_S}
        assertion = jwt.encode(claims, account.private_key, "RS256", headers={"kid": account.private_key_id})
        try:
            form = {"grant_type": GRANT, "assertion": assertion}
            answer = await self._http.post(account.token_url, data=form, timeout=_CONNECT_S)
            answer.raise_for_status()
            granted = answer.json()
            return str(granted["access_token"]), now + float(granted["expires_in"]) - _TOKEN_MARGIN_S
        except httpx.HTTPStatusError as error:
            if error.response.is_server_error:
                raise _unreachable("vertex_ai", error) from error
            raise _no_credentials("vertex_ai", f"Google grants no access token: {error.response.text}") from error
        except httpx.TransportError as error:
            raise _unreachable("vertex_ai", error) from error


def _no_credentials(provider: Provider, why: str) -> Refused:
    return Refused("authentication", f"the relay has no usable credentials for {provider}: {why}")


def _unreachable(provider: Provider, error: httpx.HTTPError) -> Refused:
    return Refused("server_error", f"the relay cannot reach {provider}: {in_words(error)}")


def in_words(error: httpx.HTTPError) -> str:
    """What may be said of `error` to LiteLLM; the words of a LocalProtocolError quote the header it refuses: a key."""
    name = type(error).__name__
    return name if isinstance(error, httpx.LocalProtocolError) else f"{name}: {error}"
