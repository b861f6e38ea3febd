"""The recorder on real sockets: all passes unchanged and at once, what breaks breaks, and everything is on record."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from itertools import cycle
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from compat_pipeline.wire import latency
from compat_pipeline.wire.client_exchange import HUNG_UP
from compat_pipeline.wire.latency import added_latency_ms
from compat_pipeline.wire.recorder import recording
from compat_pipeline_tests.wire.conftest import LIMIT_S, SSE, Echo, post
from compat_pipeline_tests.wire.messages import TEXT, encoded, message, stream
from compat_pipeline_tests.wire.target import closed_port, raw_target, served

# --- what passes -------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.binary(max_size=3000), packed=st.booleans(), status=st.sampled_from([200, 201, 400, 404, 429, 500, 529]))
def test_bodies_and_status_pass_byte_for_byte(
    echo: Echo, http_client: httpx.Client, body: bytes, packed: bool, status: int
) -> None:
    headers = {"x-status": str(status), **({"x-packed": "1"} if packed else {})}
    with recording(echo.url) as record:
        url = f"{record.url}/v1/messages"
        with http_client.stream("POST", url, content=body, headers=headers) as answer:
            raw = b"".join(answer.iter_raw())

    assert echo.bodies[-1] == body
    assert answer.status_code == status
    assert (gzip.decompress(raw) if packed else raw) == body
    assert [one.status for one in record.exchanges()] == [status]


def test_a_large_body_passes_whole_both_ways(echo: Echo, http_client: httpx.Client) -> None:
    body = bytes(range(256)) * 20_000

    with recording(echo.url) as record:
        assert http_client.post(record.url, content=body).content == body


@pytest.mark.parametrize("path", ["", "/", "/v1/messages?beta=true", "/v1/a%2Fb%20c?x=%7B%7D&y=|", "/a//b/"])
def test_the_proxy_sees_the_path_as_without_us(echo: Echo, path: str) -> None:
    with recording(echo.url) as record:
        address = urlsplit(record.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=LIMIT_S)
        connection.request("GET", address.path + path)
        assert connection.getresponse().read() == b""
        connection.close()

    assert echo.target == (path or "/")
    assert record.exchanges()[0].path == (path or "/")


def test_a_target_with_a_path_keeps_it(echo: Echo, http_client: httpx.Client) -> None:
    with recording(f"{echo.url}/under/") as record:
        post(http_client, record.url, {})

    assert echo.target == "/under/v1/messages?beta=true"


def test_end_to_end_headers_pass_and_those_of_a_connection_stay(echo: Echo, http_client: httpx.Client) -> None:
    sent = {"anthropic-beta": "a,b", "authorization": "Bearer k", "x-own": "1", "connection": "x-own", "te": "trailers"}

    with recording(echo.url) as record:
        answer = post(http_client, record.url, {}, **sent)

    seen = echo.seen[-1].headers
    assert (seen["anthropic-beta"], seen["authorization"]) == ("a,b", "Bearer k")
    assert seen["host"] == urlsplit(echo.url).netloc
    assert "x-own" not in seen
    assert "te" not in seen
    assert answer.headers["x-kept"] == "yes"
    assert "keep-alive" not in answer.headers
    assert "server" not in record.exchanges()[0].response_headers


def test_each_piece_is_passed_on_as_it_comes(http_client: httpx.Client) -> None:
    events = stream(message(TEXT))
    arrived = [threading.Event() for _ in events]

    async def paced(_: Request) -> Response:
        async def pieces() -> Any:
            for number, event in enumerate(events):
                assert number == 0 or arrived[number - 1].wait(LIMIT_S), "a piece was held back"
                yield encoded([event])

        return StreamingResponse(pieces(), headers=SSE)

    with served(Starlette(routes=[Route("/v1/messages", paced, methods=["POST"])])) as url, recording(url) as record:
        with http_client.stream("POST", f"{record.url}/v1/messages", json={"stream": True}) as answer:
            for number, piece in enumerate(answer.iter_raw()):
                assert piece == encoded([events[number]])
                arrived[number].set()
        (one,) = record.exchanges()

    assert one.events == tuple(events)
    assert one.violations == []
    assert one.broken is None


# --- what is on record -------------------------------------------------------------------------------------------


def test_an_exchange_holds_what_was_asked_and_answered(echo: Echo, http_client: httpx.Client) -> None:
    with recording(echo.url) as record:
        post(http_client, record.url, {"model": "m", "stream": False}, **{"x-packed": "1"})
        post(http_client, record.url, {"model": "n"})

    first, second = record.exchanges()
    assert (first.method, first.path, first.operation) == ("POST", "/v1/messages?beta=true", "messages")
    assert first.request == first.body == {"model": "m", "stream": False}
    assert first.request_headers["content-type"] == "application/json"
    assert first.response_headers["x-kept"] == "yes"
    assert first.started_at <= first.first_byte_at <= first.finished_at <= second.started_at
    assert second.request == {"model": "n"}


def test_requests_over_one_connection_are_all_on_record(echo: Echo) -> None:
    with recording(echo.url) as record:
        address = urlsplit(record.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=LIMIT_S)
        for number in range(5):
            connection.request("POST", f"{address.path}/v1/messages", json.dumps({"number": number}))
            assert json.loads(connection.getresponse().read()) == {"number": number}
        connection.close()

    assert [one.request["number"] for one in record.exchanges()] == list(range(5))


def test_credentials_are_never_on_record(echo: Echo, http_client: httpx.Client) -> None:
    secrets = {"authorization": "Bearer hidden", "x-api-key": "hidden", "cookie": "a=hidden", "api-key": "hidden"}

    with recording(echo.url) as record:
        answer = post(http_client, record.url, {}, **secrets)

    assert "hidden" in answer.headers["set-cookie"]
    assert "hidden" not in record.exchanges()[0].model_dump_json()


def test_recordings_at_the_same_time_do_not_mix(echo: Echo, http_client: httpx.Client) -> None:
    with recording(echo.url) as one, recording(echo.url) as other:
        post(http_client, one.url, {"of": "one"})
        post(http_client, other.url, {"of": "other"})

    assert [exchange.request for exchange in one.exchanges()] == [{"of": "one"}]
    assert [exchange.request for exchange in other.exchanges()] == [{"of": "other"}]


def test_an_address_leads_nowhere_after_its_recording(echo: Echo, http_client: httpx.Client) -> None:
    with recording(echo.url) as record:
        pass

    with pytest.raises(httpx.RemoteProtocolError):
        post(http_client, record.url, {})
    assert record.exchanges() == []


# --- what breaks -------------------------------------------------------------------------------------------------


def test_a_refused_connection_looks_like_a_lost_one(http_client: httpx.Client) -> None:
    with recording(closed_port()) as record, pytest.raises(httpx.RemoteProtocolError):
        post(http_client, record.url, {})

    (one,) = record.exchanges()
    assert one.status == 0
    assert "ConnectError" in (one.broken or "")


def test_a_proxy_that_hangs_up_without_an_answer_looks_like_one(http_client: httpx.Client) -> None:
    with raw_target(lambda *_: None) as url, recording(url) as record, pytest.raises(httpx.RemoteProtocolError):
        post(http_client, record.url, {})

    assert record.exchanges()[0].broken


@pytest.mark.parametrize(
    "framing", [b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", b"content-length: 8\r\n\r\nhalf"]
)
def test_an_answer_that_is_cut_is_cut_for_the_client_too(http_client: httpx.Client, framing: bytes) -> None:
    def cut(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n" + framing)

    got: list[bytes] = []
    with (
        raw_target(cut) as url,
        recording(url) as record,
        http_client.stream("POST", f"{record.url}/v1/messages", json={}) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        got.extend(answer.iter_raw())

    assert got == [b"half"]
    (one,) = record.exchanges()
    assert one.status == 200
    assert one.unreadable == "half"
    assert "RemoteProtocolError" in (one.broken or "")


def test_a_client_that_hangs_up_takes_the_request_with_it(http_client: httpx.Client) -> None:
    begun = encoded(stream(message(TEXT))[:3])
    left = threading.Event()

    def endless(connection: socket.socket, _: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head + b"%x\r\n%s\r\n" % (len(begun), begun))
        if not connection.recv(1):
            left.set()

    with raw_target(endless) as url, recording(url) as record:
        with http_client.stream("POST", f"{record.url}/v1/messages", json={"stream": True}) as answer:
            next(answer.iter_raw())
        (one,) = record.exchanges()
        assert left.wait(LIMIT_S)

    assert one.broken == HUNG_UP
    assert len(one.events) == 3


def test_a_client_that_has_heard_message_stop_may_leave(http_client: httpx.Client) -> None:
    whole = encoded(stream(message(TEXT)))

    def slow_to_end(connection: socket.socket, _: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head + b"%x\r\n%s\r\n" % (len(whole), whole))
        connection.recv(1)

    got = b""
    with raw_target(slow_to_end) as url, recording(url) as record:
        with http_client.stream("POST", f"{record.url}/v1/messages", json={"stream": True}) as answer:
            for piece in answer.iter_raw():
                got += piece
                if got == whole:
                    break
        assert record.exchanges()[0].broken is None


def test_an_answer_without_a_length_passes(http_client: httpx.Client) -> None:
    def plain(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}")

    with raw_target(plain) as url, recording(url) as record:
        assert post(http_client, record.url, {}).json() == {}

    assert record.exchanges()[0].broken is None


# --- what is refused, and how long it takes ----------------------------------------------------------------------


def test_streams_are_refused_on_demand_and_nothing_else_is(echo: Echo, http_client: httpx.Client) -> None:
    before = len(echo.seen)
    with recording(echo.url, refuse_streams=True) as record:
        refused = post(http_client, record.url, {"stream": True})
        served_whole = post(http_client, record.url, {"stream": False})
        counted = http_client.post(f"{record.url}/v1/messages/count_tokens", json={"stream": True})

    assert refused.status_code == 404
    assert refused.json()["error"]["type"] == "not_found_error"
    assert (served_whole.status_code, counted.status_code) == (200, 200)
    assert len(echo.seen) == before + 2
    assert [one.status for one in record.exchanges()] == [404, 200, 200]


def test_the_added_latency_is_that_of_the_recorded_call_beyond_the_direct_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first_bytes_s = cycle([0.001, 0.003])
    monkeypatch.setattr(latency, "_first_byte_s", lambda *_: next(first_bytes_s))
    assert added_latency_ms(calls=3) == pytest.approx(2.0)


def test_the_added_latency_is_measured_on_real_calls() -> None:
    assert isfinite(added_latency_ms(calls=3))
