"""The exchange: one request that reached an upstream and the response it got, and how the suite reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter

from compat_pipeline.ground.errors import CompatError

NONCE_PATTERN = r"nonce-[0-9a-f]{12}"
"""Marks the prompts of one CLI conversation; exchanges are found by it."""

CUT_SHORT = "the answer ended before it was whole"
"""What is recorded of a stream that just ended in its middle."""

_LIMIT_S = 60.0
"""The record is on this machine: only one that hangs takes as long, however busy the machine is."""


class Exchange(BaseModel):
    """One request and its response, seen from the upstream, in the terms of the Anthropic Messages API.

    `request` and `reply` are the provider's bytes translated to Messages form (Bedrock's `cachePoint` reads
    `cache_control`), so that one oracle serves every provider. `reply` is the message the upstream sent, or
    the `input_tokens` it counted, None when it refused. `betas` are those that reached the upstream, by header or in
    the body, sorted. `auth` is how the caller was known: by an API key, a bearer token, or an AWS signature; None when
    it was not. `status` is 0 where no byte of an answer came. Times are seconds since the epoch; `finished_at` of an
    emulated answer is when it was made, and one that is sent slowly arrives later. `delivered` says whether all of the
    answer was sent before the caller hung up, None while it is under way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    operation: str
    model: str
    streamed: bool
    headers: dict[str, str]
    betas: tuple[str, ...] = ()
    auth: Literal["key", "bearer", "signed"] | None = None
    request: dict[str, Any]
    status: int
    error: str | None = None
    rule: str | None = None
    reply: dict[str, Any] | None = None
    started_at: float
    finished_at: float
    delivered: bool | None = None


EXCHANGES: TypeAdapter[list[Exchange]] = TypeAdapter(list[Exchange])


class CannotScript(CompatError):
    """The upstreams have no such behaviour."""


class UpstreamControl:
    """The upstreams' side door: read exchanges, script one conversation; by way of the Unix socket `door`, if any."""

    def __init__(self, base_url: str, token: str, door: Path | None = None) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            headers={"x-compat-control": token},
            timeout=_LIMIT_S,
            trust_env=False,
            transport=httpx.HTTPTransport(uds=str(door) if door else None),
        )

    def exchanges(self, nonce: str) -> list[Exchange]:
        """Every exchange whose request carried `nonce`, oldest first."""
        return EXCHANGES.validate_json(self._call("GET", "/_compat/exchanges", params={"nonce": nonce}).content)

    def arm(self, nonce: str, behaviour: str) -> None:
        """Let the upstream treat requests that carry `nonce` in a scripted way, as that provider is known to do.

        Raises CannotScript where it cannot be made to: a real provider answers as it likes.
        """
        try:
            self._call("POST", "/_compat/arm", json={"nonce": nonce, "behaviour": behaviour})
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.UNPROCESSABLE_ENTITY:
                raise
            told = error.response.json()
            raise CannotScript(
                f"the upstreams cannot be made to do '{behaviour}'", f"they know: {', '.join(told['known'])}"
            ) from error

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        return self._client.request(method, path, **kwargs).raise_for_status()
