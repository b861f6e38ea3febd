"""A stand-in for a registry of container images, on loopback: manifests by tag, for readers with an anonymous token.

It is no registry: it holds no image, only what the OCI distribution specification says of asking for a digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from compat_pipeline_tests.claude.loopback import served

_READER = "an-anonymous-reader"


@dataclass
class ImageRegistry:
    """`images` maps `NAME:TAG` to a digest; `trouble` is the status of every answer about a manifest, if set.

    `challenge` is what a reader without a token is told to do, if set.
    """

    host: str = ""
    images: dict[str, str] = field(default_factory=dict)
    trouble: int | None = None
    challenge: str | None = None

    def manifest(self, request: Request) -> Response:
        name, tag = request.path_params["name"], request.path_params["tag"]
        if self.trouble:
            return Response(status_code=self.trouble)
        if request.headers.get("authorization") != f"Bearer {_READER}":
            usual = f'Bearer realm="http://{self.host}/token",service="{self.host}",scope="repository:{name}:pull"'
            return Response(status_code=401, headers={"www-authenticate": self.challenge or usual})
        if "application/vnd.oci.image.index.v1+json" not in request.headers.get("accept", ""):
            return Response(status_code=406)
        digest = self.images.get(f"{name}:{tag}")
        return Response(headers={"docker-content-digest": digest}) if digest else Response(status_code=404)

    def token(self, request: Request) -> Response:
        asked = (request.query_params.get("service"), request.query_params.get("scope", "").split(":")[::2])
        return JSONResponse({"token": _READER if asked == (self.host, ["repository", "pull"]) else "nobody's"})


@contextmanager
def image_registry() -> Iterator[ImageRegistry]:
    """A registry that is up."""
    registry = ImageRegistry()
    routes = [Route("/v2/{name:path}/manifests/{tag}", registry.manifest), Route("/token", registry.token)]
    with served(Starlette(routes=routes)) as url:
        registry.host = url.removeprefix("http://")
        yield registry
