"""Trying the routes of a proxy: what counts as an answer, and what it says of the providers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from compat_pipeline.proxy.routes import provider_health, try_routes
from compat_pipeline.wire.exchange import Exchange

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


def exchange(status: int, error: str | None = None) -> Exchange:
    return Exchange(
        provider="a",
        operation="messages",
        model="good",
        streamed=False,
        headers={},
        request={},
        status=status,
        error=error,
        started_at=0.0,
        finished_at=0.0,
    )


def test_a_provider_is_well_once_it_answers_for_one_of_its_models() -> None:
    assert provider_health({"a/new": [exchange(403, "no access")], "a/good": [exchange(200)]}) == {"a": "ok"}


def test_a_provider_that_refuses_is_told_with_its_first_words() -> None:
    refused = {"a/good": [exchange(401, "invalid key"), exchange(429, "slower")], "b/good": [exchange(200)]}
    assert provider_health(refused) == {"a": "401: invalid key", "b": "ok"}


def test_a_provider_that_said_nothing_is_told_of_as_such() -> None:
    assert provider_health({"a/good": [exchange(0)]}) == {"a": "0: no answer"}


def test_a_stream_that_breaks_off_is_no_answer() -> None:
    assert provider_health({"a/good": [exchange(200, "overloaded")]}) == {"a": "200: overloaded"}


def test_a_provider_that_the_proxy_never_asked_is_not_called_well() -> None:
    assert provider_health({"a/good": []}) == {"a": "no message reached it"}
