"""A way to the engine that can be shut, as if the engine had died."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CHUNK_BYTES = 1 << 16


class Gate:
    """Passes on what comes to the socket `path` until it is shut; `host` is what DOCKER_HOST has to say."""

    def __init__(self, engine: str, path: Path) -> None:
        self.host = f"unix://{path}"
        self._engine = engine.removeprefix("unix://")
        self._ends: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def shut(self) -> None:
        """End every connection, and refuse new ones."""
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller = self._listener.accept()[0]
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self._engine)
                self._ends += (caller, engine)
                for one, other in ((caller, engine), (engine, caller)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


@contextmanager
def gate_to(engine: str, path: Path) -> Iterator[Gate]:
    gate = Gate(engine, path)
    try:
        yield gate
    finally:
        gate.shut()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while said := one.recv(_CHUNK_BYTES):
            other.sendall(said)
        other.shutdown(socket.SHUT_WR)
