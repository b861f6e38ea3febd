"""A release's container image: what is known of it, and its digest as its registry tells it, without an engine.

Source: the OCI distribution specification (an image's digest is in the answer's headers) and the token scheme that
registries use for it (a 401 names who gives an anonymous reader a token).
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.request import parse_http_list, parse_keqv_list

import httpx
from pydantic import BaseModel, ConfigDict

IMAGE = "ghcr.io/berriai/litellm"
ENGINE_VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
"""Where the container engine is, as Docker's own client reads it."""

_TIMEOUT_S = 10.0
_ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
_LOCAL_ID = re.compile(r"sha256:[0-9a-f]{64}|[0-9a-f]{12,64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ProxyImage(BaseModel):
    """An image that the engine has: `name` as it was asked for, `id` as the engine calls it.

    `digest` is the one that a registry knows it by, or its id where none does; `prices` LiteLLM's price table from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    id: str
    digest: str
    prices: Path


class ImageUnknown(Exception):
    """The registry did not tell the digest; the text says why."""


def is_pinned(image: str) -> bool:
    """Whether `image` names one image for good: `NAME@sha256:...`, or the id of one that the engine has."""
    return "@" in image or bool(_LOCAL_ID.fullmatch(image))


def image_digest(image: str, tag: str) -> str:
    """The digest (`sha256:...`) of `image` (`HOST/NAME`) for the release `tag`; raises ImageUnknown.

    A release's image is tagged as the release is, an older one's with `main-` before it. Of an image for several
    platforms this is the digest of them all.
    """
    host, _, name = image.partition("/")
    scheme = "http" if re.fullmatch(r"(localhost|127\.[\d.]+)(:\d+)?", host) else "https"
    try:
        with httpx.Client(base_url=f"{scheme}://{host}", timeout=_TIMEOUT_S, follow_redirects=True) as client:
            for asked in (tag, f"main-{tag}"):
                answer = _head(client, f"/v2/{name}/manifests/{asked}", name)
                if answer.status_code != httpx.codes.NOT_FOUND:
                    break
    # An empty value in a challenge is an IndexError of its parser, a SOCKS proxy without its package an ImportError.
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, IndexError, ImportError) as error:
        raise ImageUnknown(f"{host} did not answer as an image registry: {error}") from error
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise ImageUnknown(f"{image} has no image {tag} and none main-{tag}")
    digest = answer.headers.get("docker-content-digest", "")
    if not answer.is_success or not _DIGEST.fullmatch(digest):
        raise ImageUnknown(f"{host} answered {answer.status_code} for {image}:{asked} and told no digest")
    return str(digest)


def _head(client: httpx.Client, path: str, name: str) -> httpx.Response:
    """The answer to who asks for a manifest, with an anonymous reader's token where the registry wants one."""
    answer = client.head(path, headers={"accept": _ACCEPT})
    scheme, _, challenge = answer.headers.get("www-authenticate", "").partition(" ")
    if answer.status_code != httpx.codes.UNAUTHORIZED or scheme.lower() != "bearer":
        return answer
    named = parse_keqv_list(parse_http_list(challenge))
    wanted = {"service": named.get("service", ""), "scope": f"repository:{name}:pull"}
    given = client.get(named.get("realm", ""), params=wanted).raise_for_status().json()
    token = given.get("token") or given.get("access_token") if isinstance(given, dict) else None
    return client.head(path, headers={"accept": _ACCEPT, "authorization": f"Bearer {token}"})
