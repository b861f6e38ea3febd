"""Passing a request on: byte for byte, chunk by chunk, while both sides stay; hop-by-hop headers stay behind."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
from starlette.types import Receive

RawHeaders = list[tuple[bytes, bytes]]

_HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
    *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
}


@dataclass(frozen=True)
class Reply:
    """What goes back to the one who asked."""

    status: int
    headers: RawHeaders
    chunks: AsyncIterable[bytes]


class Onward:
    """The way to the next server: over TCP, or over the Unix socket `door` whatever a URL names."""

    def __init__(self, door: Path | None = None) -> None:
        # A connection per request: one that is kept may be closed by the other side just as it is used again.
        self._transport = httpx.AsyncHTTPTransport(
            uds=str(door) if door else None,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    @asynccontextmanager
    async def reply(
        self, method: str, server: httpx.URL, target: bytes, headers: RawHeaders, body: bytes
    ) -> AsyncIterator[Reply]:
        """The reply of `server` (a base URL) to one request for `target`, a path with its query as it came.

        Raises httpx.TransportError, also while its chunks are read.
        """
        request = httpx.Request(
            method,
            server,
            headers=[pair for pair in end_to_end(headers) if pair[0] != b"host"],
            content=body,
            extensions={"target": server.raw_path.rstrip(b"/") + target},
        )
        response = await self._transport.handle_async_request(request)
        stream = cast(httpx.AsyncByteStream, response.stream)
        try:
            raw = [(name.lower(), value) for name, value in response.headers.raw]
            yield Reply(response.status_code, end_to_end(raw), stream)
        finally:
            await stream.aclose()


async def whole_body(receive: Receive) -> bytes | None:
    """The whole of a request's body; None if the client left before its end."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def hung_up(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def close_unanswered(receive: Receive) -> None:
    """Cut the request's connection without a word, as one that was refused or lost looks.

    ASGI has no word for it, uvicorn's cycle does.
    """
    receive.__self__.transport.abort()  # type: ignore[attr-defined]
    await hung_up(receive)


def end_to_end(headers: RawHeaders) -> RawHeaders:
    """Headers without those of a single connection, which the Connection header may add to."""
    named = b",".join(value for name, value in headers if name == b"connection").lower().split(b",")
    left_out = _HOP_BY_HOP | {name.strip() for name in named}
    return [(name, value) for name, value in headers if name not in left_out]
