"""One emulated upstream at work: who may ask, which rules hold, what is answered, and the record of it."""

from __future__ import annotations

import json
import logging
import secrets
import time
from contextlib import suppress

from compat_pipeline.emulator import behaviours, refusals, server_tools
from compat_pipeline.emulator.behaviours import Behaviour
from compat_pipeline.emulator.caching import InputUsage, PromptCache, count_tokens
from compat_pipeline.emulator.contract import (
    CREDENTIAL_HEADERS,
    AuthKind,
    Call,
    Incoming,
    Json,
    Refused,
    Reply,
    Transfer,
    Wire,
    broken,
    json_object,
)
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.deltas import cut
from compat_pipeline.emulator.errors import error_reply, error_text
from compat_pipeline.emulator.persona import reply_to
from compat_pipeline.emulator.recording import Entry, Recorder
from compat_pipeline.emulator.shapes import shows
from compat_pipeline.emulator.thinking import KINDS, sealed
from compat_pipeline.emulator.tokens import tokens_of_block
from compat_pipeline.wire.exchange import CUT_SHORT, Exchange

log = logging.getLogger(__name__)

_MESSAGE_ID_PREFIX = {"vertex_ai": "msg_vrtx_", "bedrock_invoke": "msg_bdrk_", "bedrock_converse": "msg_bdrk_"}


class Upstream:
    """All five providers with what they remember: cached prefixes, armed conversations, exchanges.

    `serve` never awaits, so within one event loop a call is answered, counted and recorded as one step.
    """

    def __init__(self, credentials: EmulatorCredentials) -> None:
        self.credentials = credentials
        self.recorder = Recorder()
        self.armed = behaviours.Armed()
        self._cache = PromptCache()

    def serve(self, wire: Wire, incoming: Incoming) -> tuple[Reply, Entry]:
        """Answer one request; it is on record before its first byte leaves, even if we break over it."""
        started_at = time.time()
        call: Call | None = None
        auth: AuthKind | None = None
        try:
            auth = wire.authenticate(incoming, self.credentials)
            call = wire.read(incoming)
            reply, seen = self._answer(wire, call)
        except Exception as error:
            refused = error if isinstance(error, Refused) else _broken(error)
            call = call or unread(wire, incoming)
            reply = error_reply(wire.provider, refused, call.model)
            seen = {"error": error_text(wire.provider, refused, call.model).message, "rule": refused.rule}
        exchange = Exchange(
            provider=call.provider,
            operation=call.operation,
            model=call.model,
            streamed=call.streamed,
            headers={name: value for name, value in incoming.headers.items() if name not in CREDENTIAL_HEADERS},
            betas=tuple(sorted(call.betas)),
            auth=auth,
            request=call.request,
            status=0 if reply.transfer.cut == "at_once" else reply.status,
            started_at=started_at,
            finished_at=time.time(),
            **seen,
        )
        return reply, self.recorder.add(exchange, call.nonces)

    def _answer(self, wire: Wire, call: Call) -> tuple[Reply, Json]:
        """The reply, and what the record says of it."""
        refusals.check(call)
        behaviour = self.armed.behaviour_for(call)
        behaviours.refuse(behaviour, call)
        call = behaviours.shaped(call, behaviour)
        counting = call.operation == "count_tokens"
        reply, seen = self._count(wire, call) if counting else self._speak(wire, call, behaviour)
        reply = behaviours.carry(reply, behaviour)
        return reply, seen | _cut_off(reply.transfer)

    def _count(self, wire: Wire, call: Call) -> tuple[Reply, Json]:
        tokens = count_tokens(call)
        reply = Reply(200, "application/json", json.dumps(wire.counted(tokens)).encode())
        return reply, {"reply": {"input_tokens": tokens}}

    def _speak(self, wire: Wire, call: Call, behaviour: Behaviour | None) -> tuple[Reply, Json]:
        content, stop_reason = reply_to(call)
        message = _message(call, sealed(call, content), stop_reason, self._cache.use(call))
        answer = behaviours.break_off(cut(message, fine_tools=shows("F1", call)), behaviour, call)
        seen: Json = {"reply": message}
        if answer.broken_off:
            seen["error"] = error_text(call.provider, answer.broken_off, call.model).message
        return (wire.stream if call.streamed else wire.whole)(call, answer), seen


def _cut_off(transfer: Transfer) -> Json:
    if transfer.cut is None:
        return {}
    return {"error": CUT_SHORT if transfer.cut == "short" else "connection reset"}


def _message(call: Call, content: list[Json], stop_reason: str, used: InputUsage) -> Json:
    output = sum(tokens_of_block(block) for block in content)
    thought = sum(tokens_of_block(block) for block in content if block["type"] in KINDS)
    message: Json = {
        "id": _MESSAGE_ID_PREFIX.get(call.provider, "msg_") + secrets.token_hex(12),
        "type": "message",
        "role": "assistant",
        "model": call.facts.name,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": used.fresh,
            "cache_creation_input_tokens": used.created,
            "cache_read_input_tokens": used.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": used.created_5m,
                "ephemeral_1h_input_tokens": used.created_1h,
            },
            "output_tokens": output,
            "output_tokens_details": {"thinking_tokens": thought},
            "service_tier": "standard",
        },
    }
    if made := server_tools.requests_made(content):
        message["usage"]["server_tool_use"] = made
    if "context_management" in call.request:
        message["context_management"] = {"applied_edits": []}
    return message


def _broken(error: Exception) -> Refused:
    """A fault of our own, which must never read as a provider's or the proxy's."""
    log.error("the emulator broke", exc_info=error)
    return Refused("server_error", broken(error))


def unread(wire: Wire, incoming: Incoming) -> Call:
    """The record of a request that was not read, because it was refused before or cannot be: what is known of it."""
    with suppress(Exception):
        return wire.read(incoming)
    body: Json = {}
    with suppress(Refused):
        body = json_object(incoming.body)
    model = incoming.path.get("model") or str(body.get("model", ""))
    return Call(wire.provider, incoming.operation, model, False, frozenset(), {}, body)
