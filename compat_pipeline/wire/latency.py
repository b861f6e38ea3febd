"""What the recorder costs: the time it adds before the first byte of an answer."""

from __future__ import annotations

import statistics
import time

import httpx
from starlette.types import Receive, Scope, Send

from compat_pipeline.wire.background import BackgroundServer
from compat_pipeline.wire.recorder import recording

_REQUEST = b"x" * 60_000  # about what the CLI sends
_WARM_UP_CALLS = 5
_MS_PER_S = 1000


async def _answer_at_once(_: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"answer"})


def added_latency_ms(calls: int = 200) -> float:
    """By how much the recorder delays the first byte, at the median of `calls` calls that go both ways in turn."""
    target = BackgroundServer(_answer_at_once)
    try:
        with recording(target.base_url) as record, httpx.Client(trust_env=False) as client:
            pairs = [
                (_first_byte_s(client, target.base_url), _first_byte_s(client, record.url))
                for _ in range(_WARM_UP_CALLS + calls)
            ]
    finally:
        target.stop()
    return _MS_PER_S * statistics.median(recorded - direct for direct, recorded in pairs[_WARM_UP_CALLS:])


def _first_byte_s(client: httpx.Client, base_url: str) -> float:
    started = time.perf_counter()
    with client.stream("POST", f"{base_url}/v1/messages", content=_REQUEST) as response:
        next(response.iter_raw())
        return time.perf_counter() - started
