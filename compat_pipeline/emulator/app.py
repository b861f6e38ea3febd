"""The ASGI app: every wire's routes, Vertex's token endpoint, and the side door for the suite."""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from compat_pipeline.emulator import (
    wire_anthropic,
    wire_azure,
    wire_bedrock_converse,
    wire_bedrock_count,
    wire_bedrock_invoke,
    wire_vertex,
)
from compat_pipeline.emulator.behaviours import BEHAVIOURS
from compat_pipeline.emulator.contract import BREAK_AFTER_EVENTS, Incoming, Reply, Transfer, Wire, broken
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.recording import Entry
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

_READ_TIME_S = 0.2  # a reset throws away what the client has not read yet: it shall have read what came before

Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(credentials: EmulatorCredentials) -> Starlette:
    """The five providers under `credentials`."""
    upstream = Upstream(credentials)
    routes = [
        Route(path, _speaking(upstream, wire, operation), methods=["POST"])
        for wire in WIRES
        for path, operation in wire.routes
    ]
    routes.append(Route("/token", _token(credentials), methods=["POST"]))
    return Starlette(routes=[*routes, *_side_door(upstream)], exception_handlers={Exception: _say_broken})


def _speaking(upstream: Upstream, wire: Wire, operation: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        query = request.scope["query_string"].decode()
        incoming = Incoming(
            operation=operation,
            method=request.method,
            target=request.scope["raw_path"].decode() + (f"?{query}" if query else ""),
            headers={name.decode().lower(): value.decode("latin-1") for name, value in request.scope["headers"]},
            path=request.path_params,
            body=await request.body(),
        )
        reply, entry = upstream.serve(wire, incoming)
        await asyncio.sleep(reply.transfer.delay_s)
        if reply.transfer.cut == "at_once":
            _reset(request)
        return _response(request, reply, entry)

    return endpoint


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
    try:
        for number, event in enumerate(events):
            if number == BREAK_AFTER_EVENTS:
                await asyncio.sleep(transfer.stall_s)
                if transfer.cut == "midway":
                    await asyncio.sleep(_READ_TIME_S)
                    _reset(request)
                    return
            yield event
        entry.delivered = True
    finally:
        entry.delivered = bool(entry.delivered)


def _say_broken(_: Request, error: Exception) -> Response:
    """Whoever passes this on says whose fault it is; the server logs the traceback."""
    return JSONResponse({"error": broken(error)}, 500)


def _reset(request: Request) -> None:
    """Reset the connection: what is sent after this reaches nobody. ASGI has no word for it, uvicorn's cycle does."""
    transport = request.receive.__self__.transport  # type: ignore[attr-defined]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _token(credentials: EmulatorCredentials) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(wire_vertex.issue_token(await request.body(), credentials))
        except wire_vertex.BadGrant as bad:
            return JSONResponse({"error": "invalid_grant", "error_description": str(bad)}, 400)

    return endpoint


def _side_door(upstream: Upstream) -> list[Route]:
    token = upstream.credentials.control_token

    def guarded(endpoint: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            if not hmac.compare_digest(request.headers.get("x-compat-control", "").encode(), token.encode()):
                return Response(status_code=404)
            return await endpoint(request)

        return checked

    async def exchanges(request: Request) -> Response:
        nonce = request.query_params.get("nonce", "")
        return Response(upstream.recorder.json_of(nonce), media_type="application/json")

    async def arm(request: Request) -> Response:
        asked = json.loads(await request.body())
        try:
            upstream.armed.arm(asked["nonce"], asked["behaviour"])
        except KeyError as unknown:
            return JSONResponse({"error": f"no behaviour {unknown}", "known": list(BEHAVIOURS)}, 422)
        return Response(status_code=204)

    return [
        Route("/_compat/exchanges", guarded(exchanges), methods=["GET"]),
        Route("/_compat/arm", guarded(arm), methods=["POST"]),
    ]
