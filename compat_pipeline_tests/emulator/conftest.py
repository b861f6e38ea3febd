"""One emulator on a loopback socket for all tests of this room."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from compat_pipeline.emulator.app import build_app
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline_tests.emulator.emulated import Emulated

_START_LIMIT_S = 60.0


@pytest.fixture(scope="session")
def credentials() -> EmulatorCredentials:
    return EmulatorCredentials.generate()


@pytest.fixture(scope="session")
def emulated(credentials: EmulatorCredentials) -> Iterator[Emulated]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = build_app(credentials)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_LIMIT_S
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield Emulated(f"http://127.0.0.1:{listener.getsockname()[1]}", credentials)
    server.should_exit = True
    thread.join()
    listener.close()
