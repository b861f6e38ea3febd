"""What the recorder leads to in tests: an ASGI server, or a socket on which every byte is under control."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from starlette.types import ASGIApp

from compat_pipeline.wire.background import BackgroundServer

_LIMIT_S = 60.0


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The address of `app`, while it is served."""
    server = BackgroundServer(app)
    try:
        yield server.base_url
    finally:
        server.stop()


@contextmanager
def raw_target(talk: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """The address of a server that reads each connection's request and leaves the rest to `talk`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(_LIMIT_S)
                talk(connection, _request(connection))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(_LIMIT_S)


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _request(connection: socket.socket) -> bytes:
    """A request with its body, for which it tells the length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
