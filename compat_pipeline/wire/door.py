"""The door: a Unix socket that leads from an isolated suite to the requests it is let make, and nowhere else.

Who comes through it knows the door's key alone, which is of no use elsewhere and ends with it; what the servers behind
it want to be shown is put in on our side.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from compat_pipeline.wire.background import BackgroundServer
from compat_pipeline.wire.passing import Onward, RawHeaders, close_unanswered, hung_up, whole_body

_SHUT = {"type": "error", "error": {"type": "permission_error", "message": "the door does not lead there"}}


@dataclass(frozen=True)
class Way:
    """Requests that may pass, each a method and a path, to `server` (a base URL), which knows us by `secret`."""

    server: str
    secret: str = field(repr=False)
    requests: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Door:
    """One that is open: its socket, and the key that stands for the secret of every way."""

    path: Path
    key: str = field(repr=False)


@contextmanager
def opened(path: Path, ways: Sequence[Way]) -> Iterator[Door]:
    """A door at `path`, which its owner alone may use, for the length of the block."""
    key = f"sk-{secrets.token_urlsafe(24)}"
    server = BackgroundServer(_Doorkeeper(ways, key.encode()), _listener(path))
    try:
        yield Door(path, key)
    finally:
        server.stop()
        path.unlink(missing_ok=True)


def _listener(path: Path) -> socket.socket:
    """A socket at `path`, however long that is: the kernel takes 107 bytes, and its folder has a short name, too."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o600)
        listener.listen(512)
        return listener
    finally:
        os.close(folder)


class _Doorkeeper:
    """The ASGI application behind a door."""

    def __init__(self, ways: Sequence[Way], key: bytes) -> None:
        self._ways = {request: way for way in ways for request in way.requests}
        self._key = key
        self._onward = Onward()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await whole_body(receive)
        way = self._ways.get((scope["method"], scope["raw_path"].decode("latin-1")))
        if way is None:
            await JSONResponse(_SHUT, 403)(scope, receive, send)
            return
        if body is None:
            return
        work = asyncio.create_task(self._pass(way, scope, body, send))
        gone = asyncio.create_task(hung_up(receive))
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        broken = work.done() and work.exception() is not None
        for task in (work, gone):
            task.cancel()
        await asyncio.wait({work, gone})
        if broken:
            await close_unanswered(receive)

    async def _pass(self, way: Way, scope: Scope, body: bytes, send: Send) -> None:
        """Pass one request on and its reply back; one that breaks behind the door breaks before it, too."""
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers: RawHeaders = [
            (name, value.replace(self._key, way.secret.encode())) for name, value in scope["headers"]
        ]
        async with self._onward.reply(scope["method"], httpx.URL(way.server), target, headers, body) as reply:
            await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
            async for chunk in reply.chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
