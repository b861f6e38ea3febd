"""The door on real sockets: what may pass does, as it is and with another key; nothing else gets anywhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from compat_pipeline.wire.client_exchange import HUNG_UP
from compat_pipeline.wire.door import Door, Way, opened
from compat_pipeline.wire.exchange import UpstreamControl
from compat_pipeline.wire.recorder import recording
from compat_pipeline_tests.wire.target import raw_target, served

_LIMIT_S = 60.0
SECRET = "sk-the-proxy-s-own"
PASSES = frozenset({("POST", "/v1/messages"), ("GET", "/_compat/exchanges")})
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


async def echo(request: Request) -> JSONResponse:
    told = {"body": (await request.body()).decode(), "query": request.url.query, "headers": dict(request.headers)}
    return JSONResponse([] if request.method == "GET" else told)


def deep(folder: Path) -> Path:
    """A place for a door: further down than the name of a socket may be long."""
    (below := folder / ("deep" * 30)).mkdir()
    return below / "door"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return deep(tmp_path)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door to a server that says what it was asked."""
    methods = ["GET", "POST", "DELETE"]
    with (
        served(Starlette(routes=[Route("/{path:path}", echo, methods=methods)])) as url,
        opened(deep(tmp_path_factory.mktemp("door")), [Way(url, SECRET, PASSES)]) as one,
    ):
        yield one


def client_of(door: Door) -> httpx.Client:
    return httpx.Client(base_url="http://door", transport=httpx.HTTPTransport(uds=str(short(door.path))))


def short(path: Path) -> Path:
    """Another, short name of the socket, as a container has one."""
    link = path.parents[1] / "d"
    if not link.is_symlink():
        link.symlink_to(path.parent)
    return link / path.name


def test_a_request_passes_whole_and_its_key_becomes_the_proxy_s(door: Door) -> None:
    with client_of(door) as client:
        key = {"authorization": f"Bearer {door.key}", "x-kept": "yes"}
        told = client.post("/v1/messages?beta=true", content=b'{"a": 1}', headers=key).json()
    assert (told["body"], told["query"]) == ('{"a": 1}', "beta=true")
    assert (told["headers"]["authorization"], told["headers"]["x-kept"]) == (f"Bearer {SECRET}", "yes")


def test_another_key_is_left_to_the_proxy_to_refuse(door: Door) -> None:
    with client_of(door) as client:
        told = client.post("/v1/messages", headers={"authorization": "Bearer sk-wrong"}).json()
    assert told["headers"]["authorization"] == "Bearer sk-wrong"


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/v1/messages"), ("POST", "/config/update"), ("POST", "/v1/messages/../../key/generate"),
     ("POST", "/v1//messages"), ("POST", "/v1%2Fmessages"), ("DELETE", "/_compat/exchanges"), ("POST", "/")],
)  # fmt: skip
def test_nothing_else_gets_through(door: Door, method: str, target: str) -> None:
    with client_of(door) as client:
        request = client.build_request(method, "/", headers={"authorization": f"Bearer {door.key}"})
        request.extensions["target"] = target.encode()
        answer = client.send(request)
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, "the door does not lead there")


def test_recorder_and_side_door_go_through_it(door: Door) -> None:
    control = UpstreamControl("http://door", door.key, short(door.path))
    assert control.exchanges("nonce-000000000000") == []
    control.close()
    with recording("http://door", door=short(door.path)) as recorder, httpx.Client(trust_env=False) as client:
        answer = client.post(f"{recorder.url}/v1/messages", json={}, headers={"x-api-key": door.key})
        (seen,) = recorder.exchanges()
    assert answer.json()["headers"]["x-api-key"] == SECRET
    assert (seen.path, seen.status, seen.broken) == ("/v1/messages", 200, None)


def test_an_answer_comes_as_it_is_made_and_one_that_breaks_stays_broken(path: Path) -> None:
    read = threading.Event()

    def breaks_off(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(CHUNKED + b"5\r\nfirst\r\n")
        read.wait(_LIMIT_S)

    with (
        raw_target(breaks_off) as url,
        opened(path, [Way(url, SECRET, PASSES)]) as door,
        client_of(door) as client,
        client.stream("POST", "/v1/messages") as answer,
    ):
        chunks = answer.iter_raw()
        assert next(chunks) == b"first"
        read.set()
        with pytest.raises(httpx.RemoteProtocolError):
            next(chunks)


def test_a_server_that_is_gone_looks_gone(path: Path) -> None:
    def hangs_up(_connection: socket.socket, _request: bytes) -> None: ...

    with (
        raw_target(hangs_up) as url,
        opened(path, [Way(url, SECRET, PASSES)]) as door,
        client_of(door) as client,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        client.post("/v1/messages")


def test_who_hangs_up_is_gone_behind_the_door_too(path: Path) -> None:
    gone = threading.Event()

    def waits(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(CHUNKED + b"5\r\nfirst\r\n")
        if connection.recv(1) == b"":
            gone.set()

    with raw_target(waits) as url, opened(path, [Way(url, SECRET, PASSES)]) as door:
        with recording("http://door", door=short(door.path)) as recorder, httpx.Client(trust_env=False) as client:
            with client.stream("POST", f"{recorder.url}/v1/messages", json={}) as answer:
                next(answer.iter_raw())
            (seen,) = recorder.exchanges()
        assert seen.broken == HUNG_UP
        assert gone.wait(_LIMIT_S)


def test_it_is_its_owner_s_alone_and_gone_at_the_end(path: Path) -> None:
    with opened(path, []) as door:
        assert (path.stat().st_mode & 0o777, path.is_socket()) == (0o600, True)
        assert door.key not in repr(door)
    assert not path.exists()
