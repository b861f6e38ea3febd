"""An HTTP server in a thread of this process: started, found by its address, stopped."""

from __future__ import annotations

import socket
import threading

import uvicorn
from starlette.types import ASGIApp

_HOST = "127.0.0.1"
_KEEP_ALIVE_S = 3600  # a client's idle connection must never be ours to close
_STOP_LIMIT_S = 5.0


class BackgroundServer:
    """Serves `app` from its construction to `stop`, on an event loop of its own: on `listener`, which it closes, by
    default on a free loopback port. `base_url` leads there; over a Unix socket any host does."""

    def __init__(self, app: ASGIApp, listener: socket.socket | None = None) -> None:
        self._listener = listener or socket.create_server((_HOST, 0), backlog=512)
        address = self._listener.getsockname()
        self.base_url = f"http://{_HOST}:{address[1]}" if isinstance(address, tuple) else "http://door"
        self._server = _Announcing(
            uvicorn.Config(
                app,
                access_log=False,
                date_header=False,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                log_level="critical",
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                ws="none",
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listener],), name="background-server", daemon=True
        )
        self._thread.start()
        self._server.serving.wait()

    def stop(self) -> None:
        """End at once, whatever is under way."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(_STOP_LIMIT_S)
        self._listener.close()


class _Announcing(uvicorn.Server):
    """A server that tells when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()
