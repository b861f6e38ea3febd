"""A Messages API on loopback that answers as the prompt tells it to, for driving the real CLI without a proxy.

Words in the prompt: `[tool]`, `[think]`, `[status 529]`, `[once 529]`, `[no-stream]`, `[hang]`.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from compat_pipeline.claude.driver import ProxyAddress

TOKEN = "loopback-token"
ANSWER = "Hello from the loopback server."
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBsb29wYmFjayBzZXJ2ZXI="
TOOL_INPUT = {"command": "echo pong", "description": "Say pong"}
USAGE = {
    "input_tokens": 11,
    "cache_creation_input_tokens": 7,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 3},
    "output_tokens": 1,
}
OUTPUT_TOKENS = 9
_ERRORS = {400: "invalid_request_error", 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}
_PIECE_CHARS = 10


@contextmanager
def served(app: Starlette, *, own_headers: bool = True) -> Iterator[str]:
    """Serve `app` on a free loopback port from a thread of its own; yields its address.

    Without `own_headers` the app says itself who and when it is.
    """
    config = uvicorn.Config(
        app, log_level="critical", lifespan="off", date_header=own_headers, server_header=own_headers
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def loopback_api() -> Iterator[LoopbackApi]:
    """A Messages API that is up."""
    api = LoopbackApi()
    with served(api.app) as api.url:
        yield api


class LoopbackApi:
    """The Messages API; `requests` are the bodies it got, oldest first."""

    def __init__(self) -> None:
        self.app = Starlette(routes=[Route("/v1/messages", self._messages, methods=["POST"])])
        self.url = ""
        self.requests: list[dict[str, Any]] = []

    @property
    def proxy(self) -> ProxyAddress:
        return ProxyAddress(self.url, TOKEN)

    async def _messages(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        self.requests.append(body)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(401)
        prompt = user_text(body)
        if "[hang]" in prompt:
            await asyncio.sleep(3600)
        if refusal := re.search(r"\[status (\d+)\]", prompt):
            return _error(int(refusal[1]))
        if (refusal := re.search(r"\[once (\d+)\]", prompt)) and len(self.requests) == 1:
            return _error(int(refusal[1]))
        if "[no-stream]" in prompt and body.get("stream"):
            return _error(404)
        content = _content(body, prompt)
        if body.get("stream"):
            return StreamingResponse(_events(body, content), media_type="text/event-stream")
        return JSONResponse(_message(body, content, _stop_reason(content), {**USAGE, "output_tokens": OUTPUT_TOKENS}))


def user_text(body: dict[str, Any]) -> str:
    """Every text of the user turns of a request."""
    contents = [message["content"] for message in body["messages"] if message["role"] == "user"]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    return "\n".join(block["text"] for block in blocks if block["type"] == "text")


def _error(status: int) -> Response:
    error = {"type": _ERRORS.get(status, "api_error"), "message": f"refused with {status} as asked"}
    return JSONResponse({"type": "error", "error": error}, status)


def _content(body: dict[str, Any], prompt: str) -> list[dict[str, Any]]:
    thinking = (
        [{"type": "thinking", "thinking": "Let me think.", "signature": SIGNATURE}] if "[think]" in prompt else []
    )
    tools = {tool["name"] for tool in body.get("tools", [])}
    last = body["messages"][-1]["content"]
    if isinstance(last, list) and any(block["type"] == "tool_result" for block in last):
        return [*thinking, {"type": "text", "text": ANSWER}]
    if "[tool]" in prompt and "Bash" in tools:
        return [*thinking, {"type": "tool_use", "id": "toolu_01", "name": "Bash", "input": TOOL_INPUT}]
    if "StructuredOutput" in tools:
        return [{"type": "tool_use", "id": "toolu_02", "name": "StructuredOutput", "input": {"colour": "red"}}]
    return [*thinking, {"type": "text", "text": ANSWER}]


def _stop_reason(content: list[dict[str, Any]]) -> str:
    return "tool_use" if content[-1]["type"] == "tool_use" else "end_turn"


def _message(body: dict[str, Any], content: list[Any], stop: str | None, usage: dict[str, Any]) -> dict[str, Any]:
    head = {"id": "msg_01", "type": "message", "role": "assistant", "model": body["model"]}
    return {**head, "content": content, "stop_reason": stop, "stop_sequence": None, "usage": usage}


def _events(body: dict[str, Any], content: list[dict[str, Any]]) -> Iterator[bytes]:
    yield _event("message_start", message=_message(body, [], None, USAGE))
    for index, block in enumerate(content):
        empty, deltas = _parts(block)
        yield _event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    stop = {"stop_reason": _stop_reason(content), "stop_sequence": None}
    yield _event("message_delta", delta=stop, usage={"output_tokens": OUTPUT_TOKENS})
    yield _event("message_stop")


def _parts(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "thinking":
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*_pieces("thinking", block["thinking"]), signature]
    if block["type"] == "tool_use":
        return {**block, "input": {}}, _pieces("input_json", json.dumps(block["input"]), "partial_json")
    return {**block, "text": ""}, _pieces("text", block["text"])


def _pieces(kind: str, text: str, name: str = "") -> list[dict[str, Any]]:
    cuts = range(0, len(text), _PIECE_CHARS)
    return [{"type": f"{kind}_delta", name or kind: text[cut : cut + _PIECE_CHARS]} for cut in cuts]


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
