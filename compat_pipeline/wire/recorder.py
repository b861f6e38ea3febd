"""The recorder: a reverse proxy between the CLI and LiteLLM that passes everything on and writes it down.

Nothing is parsed on the way, unless a fault or a refusal has to know what it looks at.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
from starlette.types import Receive, Scope, Send

from compat_pipeline.wire.background import BackgroundServer
from compat_pipeline.wire.client_exchange import (
    HUNG_UP,
    ClientExchange,
    Json,
    operation_of,
    read_answer,
    read_request,
    readable_headers,
)
from compat_pipeline.wire.faults.fault import Answer, Asked, Fault, HeldBack
from compat_pipeline.wire.passing import Onward, RawHeaders, Reply, close_unanswered, hung_up, whole_body

_SETTLE_LIMIT_S = 10.0
_LEAST_PAUSE_S = 0.1
_EVENT_END = b"\n\n"
_BODY_HEADERS = {"content-encoding", "content-length"}
STREAMS_REFUSED = "the recorder refuses streams"
_STREAM_REFUSED = Answer(
    404, {}, body={"type": "error", "error": {"type": "not_found_error", "message": STREAMS_REFUSED}}
)


@dataclass
class _Call:
    """One request while it passes, in bytes."""

    method: str
    target: bytes
    request_headers: RawHeaders
    request: bytes
    started_at: float = field(default_factory=time.time)
    status: int = 0
    response_headers: RawHeaders = field(default_factory=list)
    response: list[bytes] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    finished_at: float = 0.0
    broken: str | None = None

    def take(self, chunk: bytes) -> None:
        self.arrivals.append(time.time())
        self.response.append(chunk)

    @functools.cached_property
    def asked(self) -> Asked:
        headers = readable_headers(self.request_headers, credentials=True)
        return Asked(operation_of(self.target.decode("latin-1")), headers, read_request(self.request))

    @functools.cached_property
    def exchange(self) -> ClientExchange:
        """The call as the record shows it, read once it has ended."""
        return self.so_far(self.finished_at, self.broken)

    def so_far(self, finished_at: float, broken: str | None) -> ClientExchange:
        events, body, unreadable = read_answer(self.response_headers, b"".join(self.response))
        if broken == HUNG_UP and (body is not None or (events and events[-1]["type"] in ("message_stop", "error"))):
            broken = None  # with the whole answer in hand, a client need not wait for our end of it
        paused_s, paused_after = self._pause()
        return ClientExchange(
            method=self.method,
            path=self.target.decode("latin-1"),
            request_headers=readable_headers(self.request_headers),
            request=self.asked.body,
            status=self.status,
            response_headers=readable_headers(self.response_headers),
            events=events,
            body=body,
            unreadable=unreadable,
            broken=broken,
            started_at=self.started_at,
            first_byte_at=self.arrivals[0] if self.arrivals else finished_at,
            finished_at=finished_at,
            paused_s=paused_s,
            paused_after=paused_after,
        )

    def _pause(self) -> tuple[float, int]:
        """The longest wait, unless it is too short to tell, and how many events were before it."""
        wait_s, pieces = _longest_wait(self.arrivals)
        if wait_s < _LEAST_PAUSE_S:
            return 0.0, 0
        return wait_s, len(read_answer(self.response_headers, b"".join(self.response[:pieces]))[0])


class Recording:
    """What passed over one address of the recorder."""

    def __init__(self, url: str, target: httpx.URL, fault: Fault | None, refuse_streams: bool) -> None:
        self.url = url
        self.target = target
        self.fault = fault
        self.refuse_streams = refuse_streams
        self._calls: list[_Call] = []
        self._ended = threading.Condition()

    def exchanges(self) -> list[ClientExchange]:
        """Every exchange, oldest first. Those under way are given ten seconds to end; a killed CLI's do at once."""
        with self._ended:
            self._ended.wait_for(lambda: all(call.finished_at for call in self._calls), _SETTLE_LIMIT_S)
            calls = list(self._calls)
        return [
            call.exchange if call.finished_at else call.so_far(time.time(), "it had not ended when it was read")
            for call in calls
        ]

    def begin(self, call: _Call) -> None:
        with self._ended:
            self._calls.append(call)

    def end(self, call: _Call, broken: str | None) -> None:
        """Close the record of `call`; the first reason it ended for stands."""
        with self._ended:
            if not call.finished_at:
                call.broken, call.finished_at = broken, time.time()
                self._ended.notify_all()


@contextmanager
def recording(
    target: str, *, door: Path | None = None, fault: Fault | None = None, refuse_streams: bool = False
) -> Iterator[Recording]:
    """An address that leads to `target` (a base URL) and records what passes, until the end of the block.

    With a `door`, the way there is that Unix socket.
    `fault` breaks the wire behind the record: what is written down is what the CLI sent and what it was given.
    With `refuse_streams` a request for a streamed message is answered 404 and goes no further.
    """
    forwarder = _forwarder(door)
    name = secrets.token_urlsafe(16)
    record = Recording(f"{forwarder.server.base_url}/{name}", httpx.URL(target), fault, refuse_streams)
    forwarder.open[name.encode()] = record
    try:
        yield record
    finally:
        del forwarder.open[name.encode()]


@functools.cache
def _forwarder(door: Path | None) -> _Forwarder:
    """The process's one forwarder through `door`, started on first use."""
    forwarder = _Forwarder(Onward(door))
    atexit.register(forwarder.server.stop)
    return forwarder


class _Forwarder:
    """The ASGI application behind every open recording; the first part of a path says whose it is."""

    def __init__(self, onward: Onward) -> None:
        self.open: dict[bytes, Recording] = {}
        self._onward = onward
        self.server = BackgroundServer(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, name, *path = scope["raw_path"].split(b"/", 2)
        record = self.open.get(name)
        body = await whole_body(receive)
        if record is None or body is None:
            await close_unanswered(receive)
            return
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        call = _Call(scope["method"], b"/" + b"".join(path) + query, list(scope["headers"]), body)
        record.begin(call)
        work = asyncio.create_task(self._pass(record, call, send))
        gone = asyncio.create_task(hung_up(receive))
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        record.end(call, HUNG_UP)
        if not (record.fault and record.fault.deaf_to_hang_up):
            work.cancel()
        await asyncio.wait({work})
        if not call.status:
            await close_unanswered(receive)

    async def _pass(self, record: Recording, call: _Call, send: Send) -> None:
        """Pass one call on and back; one that breaks on the proxy's side is left unfinished on the CLI's."""
        broken: str | None = None
        try:
            async with self._reply(record, call) as reply:
                call.status, call.response_headers = reply.status, reply.headers
                await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
                async for chunk in reply.chunks:
                    call.take(chunk)
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except httpx.TransportError as error:
            broken = f"the proxy did not answer to the end: {type(error).__name__}: {error}"
        except Exception as error:  # a fault that cannot do its work must be seen, and be seen as ours
            broken = f"the recorder failed: {type(error).__name__}: {error}"
        record.end(call, broken)
        if not broken:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    @asynccontextmanager
    async def _reply(self, record: Recording, call: _Call) -> AsyncIterator[Reply]:
        if record.refuse_streams and call.asked.operation == "messages" and call.asked.streamed:
            yield _reply_of(_STREAM_REFUSED)
        elif record.fault:
            async with self._faulty(record, record.fault, call) as reply:
                yield reply
        else:
            async with self._forward(record, call, call.request_headers, call.request) as reply:
                yield reply

    def _forward(
        self, record: Recording, call: _Call, headers: RawHeaders, body: bytes
    ) -> AbstractAsyncContextManager[Reply]:
        """The proxy's reply to one request."""
        return self._onward.reply(call.method, record.target, call.target, headers, body)

    @asynccontextmanager
    async def _faulty(self, record: Recording, fault: Fault, call: _Call) -> AsyncIterator[Reply]:
        """The reply over a broken wire."""
        asked = call.asked
        changed = fault.on_request(asked)
        if isinstance(changed, Answer):
            yield _reply_of(changed)
            return
        headers, body = call.request_headers, call.request
        if changed.body is not asked.body:
            body = json.dumps(changed.body).encode()
        if changed is not asked:
            headers = _with_length(changed.headers, body)
        for _ in range(fault.sends - 1 if asked.operation == "messages" else 0):
            async with self._forward(record, call, headers, body) as unused:
                await _whole(unused)
        async with self._forward(record, call, headers, body) as reply:
            if not (fault.changes_answers or fault.held_back):
                yield reply
                return
            chunks, arrivals = await _whole(reply)
        wait_s, before = _longest_wait(arrivals)
        events, answered, _ = read_answer(reply.headers, b"".join(chunks))
        answer = Answer(reply.status, readable_headers(reply.headers, credentials=True), events, answered)
        readable = events or answered is not None
        final = fault.on_answer(asked, answer) if readable else answer
        headers, pieces = reply.headers, chunks
        if final is not answer:
            headers, pieces = _parts_of(final)
            before = len(read_answer(reply.headers, b"".join(chunks[:before]))[0])
        if fault.held_back:
            pieces, before = _held_back(b"".join(pieces), fault.held_back), 1
        yield Reply(final.status, headers, _paused(pieces, wait_s, before))


async def _whole(reply: Reply) -> tuple[list[bytes], list[float]]:
    """All pieces of an answer, and when each came."""
    chunks: list[bytes] = []
    arrivals: list[float] = []
    async for chunk in reply.chunks:
        chunks.append(chunk)
        arrivals.append(time.time())
    return chunks, arrivals


def _longest_wait(arrivals: Sequence[float]) -> tuple[float, int]:
    """The longest wait between two pieces, in seconds, and how many came before it."""
    waits = [(later - earlier, number) for number, (earlier, later) in enumerate(pairwise(arrivals), start=1)]
    return max(waits, default=(0.0, 0))


async def _paused(pieces: Sequence[bytes], seconds: float = 0.0, after: int = 0) -> AsyncIterator[bytes]:
    """The pieces, with a pause after so many of them."""
    for number, piece in enumerate(pieces):
        if number == after:
            await asyncio.sleep(seconds)
        yield piece


def _held_back(data: bytes, what: HeldBack) -> list[bytes]:
    """An answer in one piece, or in two of which the first is the event that begins it."""
    first, end, rest = data.partition(_EVENT_END)
    return [data] if what == "all" else [first + end, rest]


def _reply_of(answer: Answer) -> Reply:
    headers, pieces = _parts_of(answer)
    return Reply(answer.status, headers, _paused(pieces))


def _parts_of(answer: Answer) -> tuple[RawHeaders, list[bytes]]:
    """An answer in bytes: its headers, and its events or its body, each as a piece."""
    if answer.events:
        headers = {"content-type": "text/event-stream; charset=utf-8", **answer.headers}
        kept = {name: value for name, value in headers.items() if name not in _BODY_HEADERS}
        return _raw(kept), [_encoded(event) for event in answer.events]
    body = json.dumps(answer.body).encode()
    return _with_length({"content-type": "application/json", **answer.headers}, body), [body]


def _encoded(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _with_length(headers: Mapping[str, str], body: bytes) -> RawHeaders:
    kept = {name: value for name, value in headers.items() if name not in _BODY_HEADERS}
    return _raw({**kept, "content-length": str(len(body))})


def _raw(headers: Mapping[str, str]) -> RawHeaders:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
