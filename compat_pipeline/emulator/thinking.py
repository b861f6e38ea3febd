"""Thinking blocks: what they say, and the seal by which a replay is known to be whole and unchanged."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from itertools import groupby
from typing import NamedTuple

from compat_pipeline.emulator.contract import Call, Json
from compat_pipeline.emulator.shapes import shows

REDACTION_TRIGGER = (
    "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_46C9A13E193C177646C7398A98432ECCCE4C1253D5E2D82641AC0E52CC2876CB"
)
"""A prompt with this makes the model's reasoning come redacted (Anthropic, extended thinking).

Documented for Claude 3.7; newer models may not heed it, the emulated ones all do.
"""

KINDS = ("thinking", "redacted_thinking")

_SECRET = secrets.token_bytes(32)
_QUOTED_CHARACTERS = 200
_MESSAGE_BYTES = 8


class _Seal(NamedTuple):
    """Which message a block was sent in, and which of its `total` thinking blocks it was."""

    message: bytes
    number: int
    total: int


def thoughts(call: Call, prompt: str) -> list[Json]:
    """The reasoning before an answer to `prompt`, not yet sealed; partly redacted if the prompt asks for that."""
    redacted = 2 if REDACTION_TRIGGER in prompt else 0
    return [thinking_block(call, prompt), *(redacted_thinking_block() for _ in range(redacted))]


def thinking_block(call: Call, prompt: str) -> Json:
    """A thinking block about `prompt`."""
    quoted = prompt[:_QUOTED_CHARACTERS]
    thought = f"The user says: {quoted!r}. I follow that to the letter and add nothing of my own."
    return {"type": "thinking", "thinking": "" if shows("D1", call) else thought, "signature": ""}


def redacted_thinking_block() -> Json:
    """A thinking block that only the provider can read."""
    return {"type": "redacted_thinking", "data": ""}


def sealed(call: Call, content: list[Json]) -> list[Json]:
    """The content with every thinking block signed, so that none can be changed, left out or moved unnoticed."""
    total = sum(block["type"] in KINDS for block in content)
    message = secrets.token_bytes(_MESSAGE_BYTES)
    numbers = iter(range(total))
    return [
        {**block, _sealed_field(block): _encoded(call, block, _Seal(message, next(numbers), total))}
        if block["type"] in KINDS
        else block
        for block in content
    ]


def is_ours(call: Call, block: Json) -> bool:
    """Whether a replayed thinking block is one this provider and model sent, unchanged."""
    return _seal_of(call, block) is not None


def whole(call: Call, blocks: list[Json]) -> bool:
    """Whether thinking blocks of ours are those of one or more messages, complete and in their order."""
    seals = [_seal_of(call, block) or _Seal(b"", 0, 0) for block in blocks]
    for _, sent in groupby(seals, key=lambda seal: seal.message):
        found = list(sent)
        if [seal.number for seal in found] != list(range(found[0].total)):
            return False
    return True


def _sealed_field(block: Json) -> str:
    return "signature" if block["type"] == "thinking" else "data"


def _encoded(call: Call, block: Json, seal: _Seal) -> str:
    """Base64 of the seal and an HMAC over it, the provider family, the model and the text."""
    head = seal.message + bytes((seal.number, seal.total))
    said = "\0".join((call.family, call.facts.name, block["type"], block.get("thinking", "")))
    return base64.b64encode(head + hmac.digest(_SECRET, head + said.encode(), hashlib.sha256)).decode()


def _seal_of(call: Call, block: Json) -> _Seal | None:
    """What an unchanged block of ours is sealed with; None for any other. The key lives as long as the process."""
    given = block.get(_sealed_field(block))
    if not isinstance(given, str) or not isinstance(block.get("thinking", ""), str):
        return None
    try:
        head = base64.b64decode(given, validate=True)[: _MESSAGE_BYTES + 2]
    except (binascii.Error, ValueError):
        return None
    if len(head) < _MESSAGE_BYTES + 2:
        return None
    seal = _Seal(head[:_MESSAGE_BYTES], head[-2], head[-1])
    return seal if hmac.compare_digest(_encoded(call, block, seal).encode(), given.encode()) else None
