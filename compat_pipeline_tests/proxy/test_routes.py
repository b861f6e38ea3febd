"""Trying the routes of a proxy: what counts as an answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from compat_pipeline.proxy.routes import try_routes

ANSWERS = {
    "a/good": (200, json.dumps({"role": "assistant", "content": [{"type": "text", "text": "yes"}]})),
    "a/empty": (200, json.dumps({"role": "assistant", "content": []})),
    "a/page": (200, "<html>"),
    "a/broken": (500, "no access_key"),
}


class LiveButBroken(BaseHTTPRequestHandler):
    """Answers each model in its own way."""

    def do_POST(self) -> None:
        model = json.loads(self.rfile.read(int(self.headers["content-length"])))["model"]
        status, body = ANSWERS[model]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), LiveButBroken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_only_a_message_with_content_is_ok(address: str) -> None:
    seen = try_routes(address, "key", list(ANSWERS))
    assert {name: trial.answer for name, trial in seen.items()} == {
        "a/good": "ok",
        "a/empty": '200: {"role": "assistant", "content": []}',
        "a/page": "200: <html>",
        "a/broken": "500: no access_key",
    }


def test_a_proxy_that_hangs_up_is_recorded_too() -> None:
    assert try_routes("http://127.0.0.1:9", "key", ["a/b"])["a/b"].answer.startswith("no answer: ConnectError")
