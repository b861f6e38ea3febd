"""The recorder under a fault: what the proxy and the client get is changed, and what came to pass is on record."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from compat_pipeline.wire.client_exchange import HUNG_UP
from compat_pipeline.wire.faults import FAULTS, Answer, Asked, Fault
from compat_pipeline.wire.recorder import recording
from compat_pipeline_tests.wire.conftest import LIMIT_S, SSE, Echo, post
from compat_pipeline_tests.wire.messages import NONCE, TEXT, encoded, message, stream
from compat_pipeline_tests.wire.target import raw_target, served


def fault(**parts: Any) -> Fault:
    return Fault("name", "description", "imitates", frozenset({"row"}), **parts)


def test_a_fault_changes_what_the_proxy_gets_not_what_is_on_record(echo: Echo, http_client: httpx.Client) -> None:
    def changed(asked: Any) -> Any:
        return replace(asked, body={**asked.body, "added": "ü"}, headers={**asked.headers, "x-added": "1"})

    with recording(echo.url, fault=fault(on_request=changed)) as record:
        answer = post(http_client, record.url, {"model": "m"}, authorization="Bearer k")

    assert answer.json() == {"model": "m", "added": "ü"}
    assert (echo.seen[-1].headers["authorization"], echo.seen[-1].headers["x-added"]) == ("Bearer k", "1")
    assert record.exchanges()[0].request == {"model": "m"}


def test_a_fault_that_changes_nothing_passes_the_very_bytes(echo: Echo, http_client: httpx.Client) -> None:
    body = b'{ "model" :  "m" }'
    with recording(echo.url, fault=fault(on_answer=lambda _, answer: answer)) as record:
        answer = http_client.post(f"{record.url}/v1/messages", content=body, headers={"x-packed": "1"})

    assert answer.content == body
    assert echo.bodies[-1] == body


def test_a_fault_changes_what_the_client_gets_and_that_is_on_record(http_client: httpx.Client) -> None:
    events = stream(message(TEXT))

    async def packed(_: Request) -> Response:
        return Response(gzip.compress(encoded(events)), headers={**SSE, "content-encoding": "gzip", "x-kept": "yes"})

    def short(_: Any, answer: Answer) -> Answer:
        return Answer(answer.status, answer.headers, answer.events[:-1])

    with (
        served(Starlette(routes=[Route("/v1/messages", packed, methods=["POST"])])) as url,
        recording(url, fault=fault(on_answer=short)) as record,
    ):
        answer = post(http_client, record.url, {"stream": True})

    assert answer.content == encoded(events[:-1])
    assert answer.headers["x-kept"] == "yes"
    assert record.exchanges()[0].events == tuple(events[:-1])
    assert record.exchanges()[0].violations


def test_a_fault_may_answer_itself(echo: Echo, http_client: httpx.Client) -> None:
    before = len(echo.seen)
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    with recording(echo.url, fault=fault(on_request=lambda _: Answer(400, {}, body=refusal))) as record:
        answer = post(http_client, record.url, {})

    assert (answer.status_code, answer.json()) == (400, refusal)
    assert len(echo.seen) == before
    assert record.exchanges()[0].body == refusal


def test_a_fault_may_send_a_message_twice_but_not_a_count(echo: Echo, http_client: httpx.Client) -> None:
    before = len(echo.seen)
    with recording(echo.url, fault=FAULTS["request_sent_twice"]) as record:
        post(http_client, record.url, {"of": "both"})
        http_client.post(f"{record.url}/v1/messages/count_tokens", json={})

    assert echo.bodies[before:] == [b'{"of":"both"}', b'{"of":"both"}', b"{}"]
    assert len(record.exchanges()) == 2


EVENTS = stream(message(TEXT))
PAUSE_S, PAUSE_AFTER = 0.3, 3


@pytest.fixture(scope="module")
def pausing() -> Iterator[str]:
    """An address that answers with EVENTS, one by one, and a pause after some of them."""

    async def piecewise(_: Request) -> Response:
        async def pieces() -> Any:
            for number, event in enumerate(EVENTS):
                await asyncio.sleep(PAUSE_S if number == PAUSE_AFTER else 0.0)
                yield encoded([event])

        return StreamingResponse(pieces(), headers=SSE)

    with served(Starlette(routes=[Route("/v1/messages", piecewise, methods=["POST"])])) as url:
        yield url


@pytest.mark.parametrize(("name", "first"), [("stream_held_back", len(EVENTS)), ("words_held_back", 1)])
def test_a_stream_that_is_held_back_comes_in_one_piece(
    http_client: httpx.Client, pausing: str, name: str, first: int
) -> None:
    with (
        recording(pausing, fault=FAULTS[name]) as record,
        http_client.stream("POST", f"{record.url}/v1/messages", json={"stream": True}) as answer,
    ):
        assert list(answer.iter_raw()) == [encoded(part) for part in (EVENTS[:first], EVENTS[first:]) if part]


def in_other_words(_: Asked, answer: Answer) -> Answer:
    return replace(answer, events=tuple(stream(message({"type": "text", "text": "something else"}))))


@pytest.mark.parametrize("change", [{}, {"on_answer": lambda _, answer: answer}, {"on_answer": in_other_words}])
def test_a_pause_in_a_stream_is_on_record_and_stays_where_it_is_under_a_fault(
    http_client: httpx.Client, pausing: str, change: dict[str, Any]
) -> None:
    with recording(pausing, fault=fault(**change)) as record:
        post(http_client, record.url, {"stream": True})
        (seen,) = record.exchanges()
    assert seen.paused_s > PAUSE_S / 2
    assert seen.paused_after == PAUSE_AFTER


def test_a_fault_that_is_deaf_lets_the_proxy_finish(http_client: httpx.Client) -> None:
    client_gone, finished = threading.Event(), threading.Event()

    def patient(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        assert client_gone.wait(LIMIT_S)
        connection.sendall(b"4\r\nrest\r\n0\r\n\r\n")
        connection.settimeout(LIMIT_S)
        if connection.recv(1) == b"":
            finished.set()

    with raw_target(patient) as url, recording(url, fault=FAULTS["hang_up_ignored"]) as record:
        with http_client.stream("POST", f"{record.url}/v1/messages", json={}) as answer:
            next(answer.iter_raw())
        assert record.exchanges()[0].broken == HUNG_UP
        client_gone.set()
        assert finished.wait(LIMIT_S)


def test_a_fault_that_fails_is_seen_as_ours(echo: Echo, http_client: httpx.Client) -> None:
    def fails(_: Any) -> Any:
        raise KeyError(NONCE)

    with (
        recording(echo.url, fault=fault(on_request=fails)) as record,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        post(http_client, record.url, {})

    assert record.exchanges()[0].broken == f"the recorder failed: KeyError: '{NONCE}'"


def test_an_unreadable_answer_passes_a_fault_untouched(http_client: httpx.Client) -> None:
    async def broken(_: Request) -> Response:
        return Response(b"Internal Server Error", 500, media_type="text/plain")

    def emptied(_: Any, answer: Answer) -> Answer:
        return Answer(answer.status, answer.headers)

    with (
        served(Starlette(routes=[Route("/v1/messages", broken, methods=["POST"])])) as url,
        recording(url, fault=fault(on_answer=emptied)) as record,
    ):
        answer = post(http_client, record.url, {})

    assert answer.content == b"Internal Server Error"
    assert record.exchanges()[0].unreadable == "Internal Server Error"
