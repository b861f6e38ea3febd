"""The ASGI app: every wire's routes, Vertex's token endpoint, and the side door for the suite."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive

from compat_pipeline.emulator import (
    wire_anthropic,
    wire_azure,
    wire_bedrock_converse,
    wire_bedrock_count,
    wire_bedrock_invoke,
    wire_vertex,
)
from compat_pipeline.emulator.contract import (
    BREAK_AFTER_EVENTS,
    PAUSE_AFTER_EVENTS,
    Incoming,
    Reply,
    Transfer,
    Wire,
    broken,
)
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.recording import Entry
from compat_pipeline.emulator.side_door import Endpoint, side_door
from compat_pipeline.emulator.upstream import Upstream

WIRES: tuple[Wire, ...] = (
    wire_anthropic.WIRE,
    wire_azure.WIRE,
    wire_bedrock_invoke.WIRE,
    wire_bedrock_converse.WIRE,
    wire_bedrock_count.RUNTIME,
    wire_bedrock_count.MANTLE,
    wire_vertex.WIRE,
)

log = logging.getLogger(__name__)

_READ_TIME_S = 0.2  # a reset throws away what the client has not read yet: it shall have read what came before


def build_app(credentials: EmulatorCredentials) -> Starlette:
    """The five providers under `credentials`."""
    upstream = Upstream(credentials)
    routes = [
        Route(path, _speaking(upstream, wire, operation), methods=["POST"])
        for wire in WIRES
        for path, operation in wire.routes
    ]
    door = side_door(credentials.control_token, upstream.recorder, upstream.armed)
    served = [*routes, token_route(credentials), *door]
    return Starlette(routes=[Route(one.path, _telling(one.endpoint), methods=one.methods) for one in served])


def _speaking(upstream: Upstream, wire: Wire, operation: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        reply, entry = upstream.serve(wire, await incoming_of(request, operation))
        await asyncio.sleep(reply.transfer.delay_s)
        if reply.transfer.cut == "at_once":
            reset(request.receive)
        return _response(request, reply, entry)

    return endpoint


async def incoming_of(request: Request, operation: str) -> Incoming:
    """The whole request, as the wires read it."""
    query = request.scope["query_string"].decode()
    return Incoming(
        operation=operation,
        method=request.method,
        target=request.scope["raw_path"].decode() + (f"?{query}" if query else ""),
        headers={name.decode().lower(): value.decode("latin-1") for name, value in request.scope["headers"]},
        path=request.path_params,
        body=await request.body(),
    )


def _response(request: Request, reply: Reply, entry: Entry) -> Response:
    headers = dict(reply.headers)
    if isinstance(reply.body, bytes):
        entry.delivered = True
        return Response(reply.body, reply.status, headers, reply.media_type)
    pieces = _pieces(request, reply.body, reply.transfer, entry)
    return StreamingResponse(pieces, reply.status, headers, reply.media_type)


async def _pieces(
    request: Request, events: tuple[bytes, ...], transfer: Transfer, entry: Entry
) -> AsyncIterator[bytes]:
    """The events of a stream, noting whether it came to its end: a caller who hangs up cancels it."""
    pause_after = min(PAUSE_AFTER_EVENTS, len(events) // 2)
    try:
        for number, event in enumerate(events):
            if number == pause_after:
                await asyncio.sleep(transfer.stall_s)
            if number == BREAK_AFTER_EVENTS:
                if transfer.cut == "short":
                    return
                if transfer.cut == "midway":
                    await asyncio.sleep(_READ_TIME_S)
                    reset(request.receive)
                    return
            yield event
        entry.delivered = True
    finally:
        entry.delivered = bool(entry.delivered)


def _telling(endpoint: Endpoint) -> Endpoint:
    """`endpoint`, whose faults are told as the emulator's own; left to the server they would cost the connection."""

    async def told(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:
            log.error("the emulator broke", exc_info=error)
            return JSONResponse({"error": broken(error)}, 500)

    return told


def reset(receive: Receive) -> None:
    """Reset the connection: what is sent after this reaches nobody. ASGI has no word for it, uvicorn's cycle does."""
    transport = receive.__self__.transport  # type: ignore[attr-defined]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def token_route(credentials: EmulatorCredentials) -> Route:
    """Where a service account's assertion is turned into an access token."""

    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(wire_vertex.issue_token(await request.body(), credentials))
        except wire_vertex.BadGrant as bad:
            return JSONResponse({"error": "invalid_grant", "error_description": str(bad)}, 400)

    return Route("/token", endpoint, methods=["POST"])
