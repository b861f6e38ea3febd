"""Bedrock Converse and ConverseStream: AWS's own message form, translated to and from Anthropic's."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

from compat_pipeline.emulator import aws_auth, eventstream
from compat_pipeline.emulator.contract import BREAK_AFTER_EVENTS, Answer, Call, Incoming, Json, Reply, Wire, json_object
from compat_pipeline.emulator.shapes import shows
from compat_pipeline.emulator.wire_bedrock_invoke import betas_in, exception_event, padding

_INFERENCE = {
    "maxTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "stopSequences": "stop_sequences",
}
_DEFAULT_MAX_TOKENS = 4096
_LATENCY_MS = 1

# --- requests: Converse to Messages ------------------------------------------------------------------------------


def read_converse(incoming: Incoming, body: Json) -> Call:
    """A call with a Converse body in Messages form; a malformed body is left as it is."""
    try:
        request = _canonical(body)
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError):  # malformed: the type rules will say where
        request = body
    return Call(
        provider="bedrock_converse",
        operation=incoming.operation,
        model=incoming.path["model"],
        streamed=incoming.operation == "converse-stream",
        betas=betas_in(request),
        request=request,
        body=body,
        size_bytes=len(incoming.body),
    )


def _canonical(body: Json) -> Json:
    tools = body.get("toolConfig") or {}
    request: Json = {"max_tokens": _DEFAULT_MAX_TOKENS}
    request |= {
        _INFERENCE[name]: value for name, value in (body.get("inferenceConfig") or {}).items() if name in _INFERENCE
    }
    request["messages"] = [
        {"role": message["role"], "content": _with_marks(message.get("content") or [])} for message in body["messages"]
    ]
    if body.get("system"):
        request["system"] = _with_marks(body["system"])
    if tools.get("tools"):
        request["tools"] = _with_marks(tools["tools"])
    if choice := tools.get("toolChoice"):
        kind = next(iter(choice))
        request["tool_choice"] = {"type": kind, **choice[kind]}
    request |= body.get("additionalModelRequestFields") or {}
    if settings := _output_config(body.get("outputConfig") or {}):
        request["output_config"] = {**(request.get("output_config") or {}), **settings}
    return request


def _output_config(settings: Json) -> Json:
    """Converse's own way to ask for an effort and for JSON of a schema, which it carries as a string."""
    asked = {"effort": settings["effort"]} if "effort" in settings else {}
    if "textFormat" in settings:
        schema = settings["textFormat"]["structure"]["jsonSchema"]["schema"]
        asked["format"] = {"type": settings["textFormat"]["type"], "schema": json.loads(schema)}
    return asked


def _with_marks(blocks: list[Json]) -> list[Json]:
    """Blocks in Messages form; a cachePoint becomes the `cache_control` of the block before it."""
    translated: list[Json] = []
    for block in blocks:
        if point := block.get("cachePoint"):
            if translated:
                ttl = {"ttl": point["ttl"]} if "ttl" in point else {}
                translated[-1] = {**translated[-1], "cache_control": {"type": "ephemeral", **ttl}}
        else:
            translated.append(_block(block))
    return translated


def _block(block: Json) -> Json:
    kind, value = next(iter(block.items()))
    if kind == "text":
        return {"type": "text", "text": value}
    if kind == "image":
        source = {"type": "base64", "media_type": f"image/{value['format']}", "data": value["source"].get("bytes")}
        return {"type": "image", "source": source}
    if kind == "document":
        return _document(value)
    if kind == "toolUse":
        return {"type": "tool_use", "id": value["toolUseId"], "name": value["name"], "input": value["input"]}
    if kind == "toolResult":
        content = [_result(part) for part in value["content"]]
        failed = {"is_error": True} if value.get("status") == "error" else {}
        return {"type": "tool_result", "tool_use_id": value["toolUseId"], "content": content, **failed}
    if kind == "reasoningContent":
        return _reasoning(value)
    if kind == "toolSpec":
        described = {"description": value["description"]} if "description" in value else {}
        return {"name": value["name"], **described, "input_schema": value["inputSchema"].get("json")}
    return {"type": kind}  # Claude knows no such block: the type rules will say so


def _result(part: Json) -> Json:
    return {"type": "text", "text": json.dumps(part["json"])} if "json" in part else _block(part)


def _document(value: Json) -> Json:
    source = value["source"]
    if value.get("format") == "pdf" and "bytes" in source:
        content = {"type": "base64", "media_type": "application/pdf", "data": source["bytes"]}
    elif "content" in source:
        content = {"type": "content", "content": [_block(part) for part in source["content"]]}
    else:
        content = {"type": "text", "media_type": "text/plain", "data": source.get("text") or _decoded(source["bytes"])}
    described: Json = {name: value[name] for name in ("context", "citations") if name in value}
    return {"type": "document", "title": value["name"], "source": content, **described}


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as wrong:
        raise ValueError("a document is not base64 of UTF-8") from wrong


def _reasoning(value: Json) -> Json:
    if "redactedContent" in value:
        return {"type": "redacted_thinking", "data": value["redactedContent"]}
    text = value["reasoningText"]
    return {"type": "thinking", "thinking": text.get("text"), "signature": text.get("signature", "")}


# --- answers: Messages to Converse -------------------------------------------------------------------------------


def _whole(call: Call, answer: Answer) -> Reply:
    message = answer.message
    content = [_said(block) for block in message["content"]]
    body = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": message["stop_reason"],
        "usage": _usage(message["usage"]),
        "metrics": {"latencyMs": _LATENCY_MS},
        **_additional_fields(call, message),
    }
    return Reply(200, "application/json", json.dumps(body).encode())


def _said(block: Json) -> Json:
    if block["type"] == "thinking":
        return {"reasoningContent": {"reasoningText": {"text": block["thinking"], "signature": block["signature"]}}}
    if block["type"] == "redacted_thinking":
        return {"reasoningContent": {"redactedContent": block["data"]}}
    if block["type"] == "tool_use":
        return {"toolUse": {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}}
    return {"text": block["text"]}


def _stream(call: Call, answer: Answer) -> Reply:
    return Reply(200, eventstream.MEDIA_TYPE, tuple(_frames(call, answer)))


def _frames(call: Call, answer: Answer) -> Iterator[bytes]:
    for number, (kind, payload) in enumerate(_events(call, answer)):
        if answer.broken_off and number == BREAK_AFTER_EVENTS:
            yield exception_event(call, answer.broken_off)
            return
        yield eventstream.event(kind, json.dumps({**payload, "p": padding(number)}).encode())


def _events(call: Call, answer: Answer) -> Iterator[tuple[str, Json]]:
    """Rules C1-C8 and C12: the order and shape of events as recorded from Bedrock."""
    message = answer.message
    yield "messageStart", {"role": "assistant"}
    for index, (block, pieces) in enumerate(zip(message["content"], answer.deltas, strict=True)):
        if block["type"] == "tool_use":  # C2: no start event for text or reasoning
            start = {"toolUse": {"toolUseId": block["id"], "name": block["name"]}}
            yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        for delta in _block_deltas(call, block, pieces):
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": message["stop_reason"], **_additional_fields(call, message)}
    yield "metadata", {"usage": _usage(message["usage"]), "metrics": {"latencyMs": _LATENCY_MS}}  # C7


def _block_deltas(call: Call, block: Json, pieces: tuple[str, ...]) -> Iterator[Json]:
    if block["type"] == "thinking":
        closing = ("",) if shows("C1", call) else ()
        yield from ({"reasoningContent": {"text": piece}} for piece in (*pieces, *closing))
        if block["signature"]:
            yield {"reasoningContent": {"signature": block["signature"]}}
    elif block["type"] == "redacted_thinking":  # C12
        yield {"reasoningContent": {"redactedContent": block["data"]}}
    elif block["type"] == "tool_use":
        yield from ({"toolUse": {"input": piece}} for piece in (pieces or ("",)))  # C5
    else:
        opening = ("",) if shows("C4", call) else ()
        yield from ({"text": piece} for piece in (*opening, *pieces))


def _usage(usage: Json) -> Json:
    """Converse's token counts; `inputTokens` leaves out what the cache read and wrote, `totalTokens` does not."""
    created = usage["cache_creation"]
    details = [
        {"ttl": ttl, "inputTokens": created[f"ephemeral_{ttl}_input_tokens"]}
        for ttl in ("5m", "1h")
        if created[f"ephemeral_{ttl}_input_tokens"]
    ]
    read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    return {
        "inputTokens": usage["input_tokens"],
        "outputTokens": usage["output_tokens"],
        "totalTokens": usage["input_tokens"] + read + written + usage["output_tokens"],
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": written,
        **({"cacheDetails": details} if details else {}),
    }


def _additional_fields(call: Call, message: Json) -> Json:
    """The parts of the model's own answer that `additionalModelResponseFieldPaths` (JSON pointers) asks for."""
    found: Json = {}
    for pointer in call.body.get("additionalModelResponseFieldPaths") or []:
        names = pointer.strip("/").split("/")
        value: Any = message
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            place = found
            for name in names[:-1]:
                place = place.setdefault(name, {})
            place[names[-1]] = value
    return {"additionalModelResponseFields": found} if found else {}


WIRE = Wire(
    provider="bedrock_converse",
    routes=tuple((f"/model/{{model:path}}/{operation}", operation) for operation in ("converse", "converse-stream")),
    authenticate=aws_auth.authenticate,
    read=lambda incoming: read_converse(incoming, json_object(incoming.body)),
    whole=_whole,
    stream=_stream,
)
