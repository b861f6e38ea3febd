"""Bedrock InvokeModel and InvokeModelWithResponseStream: a Messages body, answers in event-stream chunks."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from compat_pipeline.emulator import aws_auth, eventstream
from compat_pipeline.emulator.contract import (
    BREAK_AFTER_EVENTS,
    Answer,
    Call,
    Incoming,
    Json,
    Refused,
    Reply,
    Wire,
    json_object,
)
from compat_pipeline.emulator.errors import error_text
from compat_pipeline.emulator.wire_anthropic import stream_events

_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def padding(number: int) -> str:
    """Rule C6: meaningless letters that hide an event's length; as long as the event's number makes them."""
    return _ALPHABET[: 2 + number * 7 % (len(_ALPHABET) - 2)]


def exception_event(call: Call, refused: Refused) -> bytes:
    """Rule C17: the stream ends with an exception of AWS's, after HTTP 200."""
    text = error_text(call.provider, refused, call.model)
    kind = "modelStreamErrorException" if text.type == "InternalServerException" else text.type
    return eventstream.exception(kind[0].lower() + kind[1:], json.dumps({"message": text.message}).encode())


def betas_in(body: Json) -> frozenset[str]:
    """The betas of a Bedrock request: a field of the body, not a header."""
    betas = body.get("anthropic_beta")
    return frozenset(beta for beta in betas if isinstance(beta, str)) if isinstance(betas, list) else frozenset()


def read_invoke(incoming: Incoming, body: Json) -> Call:
    """A call with a Messages body, canonical as it is."""
    return Call(
        provider="bedrock_invoke",
        operation=incoming.operation,
        model=incoming.path["model"],
        streamed=incoming.operation == "invoke-with-response-stream",
        betas=betas_in(body),
        request=body,
        body=body,
        size_bytes=len(incoming.body),
    )


def _whole(_: Call, answer: Answer) -> Reply:
    usage = answer.message["usage"]
    counts = {
        "x-amzn-bedrock-input-token-count": str(usage["input_tokens"]),
        "x-amzn-bedrock-output-token-count": str(usage["output_tokens"]),
    }
    return Reply(200, "application/json", json.dumps(answer.message).encode(), counts)


def _stream(call: Call, answer: Answer) -> Reply:
    headers = {"x-amzn-bedrock-content-type": "application/json"}
    return Reply(200, eventstream.MEDIA_TYPE, tuple(_chunks(call, answer)), headers)


def _chunks(call: Call, answer: Answer) -> Iterator[bytes]:
    for number, event in enumerate(stream_events(answer)):
        if answer.broken_off and number == BREAK_AFTER_EVENTS:
            yield exception_event(call, answer.broken_off)
            return
        if event["type"] == "ping":  # not seen on Bedrock
            continue
        if event["type"] == "message_stop":
            event = {**event, "amazon-bedrock-invocationMetrics": _metrics(answer)}
        inner = base64.b64encode(json.dumps(event).encode()).decode()
        yield eventstream.event("chunk", json.dumps({"bytes": inner, "p": padding(number)}).encode())


def _metrics(answer: Answer) -> Json:
    usage = answer.message["usage"]
    return {
        "inputTokenCount": usage["input_tokens"],
        "outputTokenCount": usage["output_tokens"],
        "invocationLatency": 1,
        "firstByteLatency": 1,
        "cacheReadInputTokenCount": usage["cache_read_input_tokens"],
        "cacheWriteInputTokenCount": usage["cache_creation_input_tokens"],
    }


WIRE = Wire(
    provider="bedrock_invoke",
    routes=tuple(
        (f"/model/{{model:path}}/{operation}", operation) for operation in ("invoke", "invoke-with-response-stream")
    ),
    authenticate=aws_auth.authenticate,
    read=lambda incoming: read_invoke(incoming, json_object(incoming.body)),
    whole=_whole,
    stream=_stream,
)
