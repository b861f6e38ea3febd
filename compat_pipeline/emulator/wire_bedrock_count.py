"""Counting tokens at Bedrock: CountTokens on the runtime, and Anthropic's own count_tokens on bedrock-mantle."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from compat_pipeline.emulator import aws_auth
from compat_pipeline.emulator.contract import Call, Incoming, Refused, Wire, json_object
from compat_pipeline.emulator.wire_anthropic import read_messages, sse, whole_message
from compat_pipeline.emulator.wire_bedrock_converse import read_converse
from compat_pipeline.emulator.wire_bedrock_invoke import read_invoke


def _read(incoming: Incoming) -> Call:
    """The request that would be counted: in InvokeModel's form, packed in base64, or in Converse's."""
    given = json_object(incoming.body).get("input")
    if isinstance(given, dict) and isinstance(given.get("converse"), dict):
        return read_converse(incoming, given["converse"])
    if isinstance(given, dict) and isinstance(given.get("invokeModel"), dict):
        return read_invoke(incoming, json_object(_unpacked(given["invokeModel"].get("body"))))
    raise Refused("invalid_request", "The input of a CountTokens request holds invokeModel or converse.")


def _unpacked(body: object) -> bytes:
    try:
        return base64.b64decode(str(body), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read_mantle(incoming: Incoming) -> Call:
    return replace(read_messages("bedrock_invoke", incoming), streamed=False)


RUNTIME = Wire(
    provider="bedrock_invoke",
    routes=(("/model/{model:path}/count-tokens", "count_tokens"),),
    authenticate=aws_auth.authenticate,
    read=_read,
    whole=whole_message,
    stream=sse,
    counted=lambda tokens: {"inputTokens": tokens},
)

MANTLE = Wire(
    provider="bedrock_invoke",
    routes=(("/anthropic/v1/messages/count_tokens", "count_tokens"),),
    authenticate=aws_auth.authenticate,
    read=_read_mantle,
    whole=whole_message,
    stream=sse,
)
