"""The ASGI app: the emulator's wires and side door in front, the real providers behind. Every exchange is recorded.

Bodies pass byte for byte, chunk by chunk; what was said is read from them only once they have passed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from compat_pipeline.emulator import behaviours
from compat_pipeline.emulator.app import WIRES, incoming_of, reset, token_route
from compat_pipeline.emulator.behaviours import BEHAVIOURS, Armed
from compat_pipeline.emulator.contract import (
    BREAK_AFTER_EVENTS,
    CREDENTIAL_HEADERS,
    PAUSE_AFTER_EVENTS,
    AuthKind,
    Call,
    Incoming,
    Refused,
    Transfer,
    Wire,
)
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.errors import error_reply, error_text
from compat_pipeline.emulator.recording import Entry, Recorder
from compat_pipeline.emulator.side_door import side_door
from compat_pipeline.emulator.upstream import unread
from compat_pipeline.relay.accounts import Accounts
from compat_pipeline.relay.answers import Decoded, decode, end_of_event
from compat_pipeline.relay.clouds import Clouds, in_words
from compat_pipeline.wire.client_exchange import RawHeaders
from compat_pipeline.wire.exchange import CUT_SHORT, Exchange
from compat_pipeline.wire.passing import end_to_end, hung_up

log = logging.getLogger(__name__)

_READ_TIME_S = 0.2
_SETTLE_LIMIT_S, _SETTLE_POLL_S = 5.0, 0.01

RELAYED = {
    name: behaviour for name, behaviour in BEHAVIOURS.items() if behaviour.shapes is None and not behaviour.in_stream
}
"""What can be done to a conversation without a say in what the provider answers."""


def build_app(credentials: EmulatorCredentials, accounts: Accounts) -> Starlette:
    """The five providers for whoever knows the made-up `credentials`, asked under the user's `accounts`."""
    desk = _Desk(Recorder(), Armed(RELAYED), credentials, Clouds(accounts))
    routes = [
        Route(path, _passing(desk, wire, operation), methods=["POST"])
        for wire in WIRES
        for path, operation in wire.routes
    ]
    door = side_door(credentials.control_token, desk.recorder, desk.armed, desk.settled)
    return Starlette(routes=[*routes, token_route(credentials), *door])


@dataclass(frozen=True)
class _Desk:
    """What all requests share."""

    recorder: Recorder
    armed: Armed
    credentials: EmulatorCredentials
    clouds: Clouds

    async def settled(self, nonce: str) -> None:
        """Give the exchanges of `nonce` a moment to end: the CLI may have read all before we have seen its end."""
        deadline = time.monotonic() + _SETTLE_LIMIT_S
        while self.recorder.is_under_way(nonce) and time.monotonic() < deadline:
            await asyncio.sleep(_SETTLE_POLL_S)


def _passing(desk: _Desk, wire: Wire, operation: str) -> Callable[[Request], Awaitable[ASGIApp]]:
    async def endpoint(request: Request) -> ASGIApp:
        return _Passage(desk, wire, await incoming_of(request, operation), request.scope["headers"])

    return endpoint


@dataclass
class _Passage:
    """One request on its way to the provider and back, and what is known of it so far."""

    desk: _Desk
    wire: Wire
    incoming: Incoming
    request_headers: RawHeaders
    started_at: float = field(default_factory=time.time)
    auth: AuthKind | None = None
    call: Call | None = None
    entry: Entry | None = None
    status: int = 0
    headers: RawHeaders = field(default_factory=list)
    passed: list[bytes] = field(default_factory=list)
    refused: Refused | None = None
    error: str | None = None
    ended: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's form
        """Pass the request on; a caller who hangs up ends it, at the provider too."""
        work = asyncio.create_task(self._pass(receive, send))
        gone = asyncio.create_task(hung_up(receive))
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        work.cancel()
        await asyncio.wait({work, gone})
        self._close()

    async def _pass(self, receive: Receive, send: Send) -> None:
        try:
            auth, transfer = self._admit()
            await asyncio.sleep(transfer.delay_s)
            if transfer.cut == "at_once":
                await self._cut(receive)
            await self._forward(auth, transfer, receive, send)
        except Refused as refused:
            await self._refuse(refused, send)
        except httpx.TransportError as error:
            self.error = f"the relay lost the connection to {self.wire.provider}: {in_words(error)}"
            await self._cut(receive)
        except Exception as error:
            log.error("the relay broke", exc_info=error)
            self.error = f"the relay broke: {type(error).__name__}"  # its words may quote a header
            if self.status:
                await self._cut(receive)
            await self._refuse(Refused("server_error", self.error), send)
        self.ended = True

    def _admit(self) -> tuple[AuthKind, Transfer]:
        """Who asks, and for what; from here on the request is on record. Raises Refused."""
        try:
            self.auth = auth = self.wire.authenticate(self.incoming, self.desk.credentials)
            self.call = self.wire.read(self.incoming)
        finally:
            self.call = self.call or unread(self.wire, self.incoming)
            self.entry = self.desk.recorder.add(self._exchange(self.call, Decoded(None)), self.call.nonces)
        behaviour = self.desk.armed.behaviour_for(self.call)
        behaviours.refuse(behaviour, self.call)
        return auth, behaviours.transfer_under(behaviour)

    async def _forward(self, auth: AuthKind, transfer: Transfer, receive: Receive, send: Send) -> None:
        headers = self.request_headers
        if transfer.stall_s or transfer.cut:  # events can be told apart only in what is not compressed
            headers = [pair for pair in headers if pair[0] != b"accept-encoding"]
        async with self.desk.clouds.ask(self.wire.provider, auth, self.incoming, headers) as response:
            raw = [(name.lower(), value) for name, value in response.headers.raw]
            self.status, self.headers = response.status_code, end_to_end(raw)
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            async for piece in self._pieces(response, transfer, receive):
                self.passed.append(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self, response: httpx.Response, transfer: Transfer, receive: Receive) -> AsyncIterator[bytes]:
        """The bytes as they come, but for a pause or a cut after the first events of a stream."""
        number = BREAK_AFTER_EVENTS if transfer.cut else PAUSE_AFTER_EVENTS
        held, due = b"", bool(transfer.stall_s or transfer.cut)
        async for chunk in response.aiter_raw():
            held += chunk if due else b""
            if due and (place := end_of_event(number, self.headers, held)) is not None:
                due, place = False, place - len(held) + len(chunk)
                yield chunk[:place]
                await asyncio.sleep(transfer.stall_s)
                if transfer.cut == "short":
                    return
                if transfer.cut:
                    await asyncio.sleep(_READ_TIME_S)
                    await self._cut(receive)
                chunk = chunk[place:]
            yield chunk

    async def _refuse(self, refused: Refused, send: Send) -> None:
        """Say no in the form of that provider, without having asked it."""
        model = self.call.model if self.call else ""
        reply = error_reply(self.wire.provider, refused, model)
        body = cast(bytes, reply.body)
        self.refused, self.status = refused, reply.status
        self.error = error_text(self.wire.provider, refused, model).message
        headers = {"content-type": reply.media_type, "content-length": str(len(body)), **reply.headers}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _cut(self, receive: Receive) -> None:
        """Reset the connection to LiteLLM, and wait for our own end."""
        self.error = self.error or "connection reset"
        reset(receive)
        await asyncio.Event().wait()

    def _close(self) -> None:
        """Complete the record."""
        if self.entry is None or self.call is None:
            return
        seen = Decoded(None)
        if self.status and not self.refused:
            try:
                seen = decode(self.call, self.status, self.headers, b"".join(self.passed))
            except Exception as error:
                log.error("the relay broke", exc_info=error)
                seen = Decoded(None, f"the relay broke: {type(error).__name__}: {error}")
        if self.ended and not seen.whole and not seen.error:
            seen = Decoded(seen.reply, CUT_SHORT, whole=False)
        self.entry.rewrite(self._exchange(self.call, seen))
        self.entry.delivered = self.ended or bool(self.status and seen.whole and not self.error)

    def _exchange(self, call: Call, seen: Decoded) -> Exchange:
        headers = self.incoming.headers
        return Exchange(
            provider=call.provider,
            operation=call.operation,
            model=call.model,
            streamed=call.streamed,
            headers={name: value for name, value in headers.items() if name not in CREDENTIAL_HEADERS},
            betas=tuple(sorted(call.betas)),
            auth=self.auth,
            request=call.request,
            status=self.status,
            error=self.error or seen.error,
            rule=self.refused.rule if self.refused else None,
            reply=seen.reply,
            started_at=self.started_at,
            finished_at=time.time(),
        )
