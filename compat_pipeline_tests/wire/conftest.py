"""An echo in the proxy's place, and a client of the recorder before it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compat_pipeline_tests.wire.messages import Json
from compat_pipeline_tests.wire.target import served

LIMIT_S = 60.0
SSE = {"content-type": "text/event-stream"}


class Echo:
    """Answers with the request's body, packed if asked so, and remembers what it was sent."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.bodies: list[bytes] = []
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST", "HEAD", "PUT"])])
        self.url = ""

    async def _answer(self, request: Request) -> Response:
        self.seen.append(request)
        body = await request.body()
        self.bodies.append(body)
        headers = {"x-kept": "yes", "keep-alive": "timeout=5", "set-cookie": "session=hidden"}
        if request.headers.get("x-packed"):
            body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
        return Response(body, int(request.headers.get("x-status", 200)), headers, "application/json")

    @property
    def target(self) -> str:
        """Path and query of the last request, as they stood on the wire."""
        scope = self.seen[-1].scope
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        return str((scope["raw_path"] + query).decode())


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    one = Echo()
    with served(one.app) as one.url:
        yield one


@pytest.fixture(scope="module")
def http_client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=LIMIT_S) as client:
        yield client


def post(client: httpx.Client, base_url: str, body: Json, **headers: str) -> httpx.Response:
    return client.post(f"{base_url}/v1/messages?beta=true", json=body, headers=headers)
