"""The side door of an upstream for the suite: read the exchanges of a conversation, script it."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from compat_pipeline.emulator.behaviours import Armed
from compat_pipeline.emulator.recording import Recorder

Endpoint = Callable[[Request], Awaitable[Response]]


async def _at_once(_nonce: str) -> None:
    pass


def side_door(
    token: str, recorder: Recorder, armed: Armed, settled: Callable[[str], Awaitable[None]] = _at_once
) -> list[Route]:
    """Its routes, for callers with `token` only; the exchanges of a nonce are read after `settled(nonce)`."""

    def guarded(endpoint: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            if not hmac.compare_digest(request.headers.get("x-compat-control", "").encode(), token.encode()):
                return Response(status_code=404)
            return await endpoint(request)

        return checked

    async def exchanges(request: Request) -> Response:
        nonce = request.query_params.get("nonce", "")
        await settled(nonce)
        return Response(recorder.json_of(nonce), media_type="application/json")

    async def arm(request: Request) -> Response:
        asked = json.loads(await request.body())
        try:
            armed.arm(asked["nonce"], asked["behaviour"])
        except KeyError as unknown:
            return JSONResponse({"error": f"no behaviour {unknown}", "known": list(armed.known)}, 422)
        return Response(status_code=204)

    return [
        Route("/_compat/exchanges", guarded(exchanges), methods=["GET"]),
        Route("/_compat/arm", guarded(arm), methods=["POST"]),
    ]
