"""Thinking blocks: what they say, and the signature that a replay must carry unchanged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from compat_pipeline.emulator.contract import Call, Json
from compat_pipeline.emulator.shapes import shows

_SECRET = secrets.token_bytes(32)
_QUOTED_CHARACTERS = 200


def thinking_block(call: Call, prompt: str) -> Json:
    """A signed thinking block about `prompt`."""
    quoted = prompt[:_QUOTED_CHARACTERS]
    thought = f"The user says: {quoted!r}. I follow that to the letter and add nothing of my own."
    text = "" if shows("D1", call) else thought
    return {"type": "thinking", "thinking": text, "signature": sign(call, text)}


def sign(call: Call, text: str) -> str:
    """HMAC over provider family, model and text; base64. The key lives as long as the process."""
    content = "\0".join((call.family, call.facts.name, text)).encode()
    return base64.b64encode(hmac.digest(_SECRET, content, hashlib.sha256)).decode()


def is_ours(call: Call, block: Json) -> bool:
    """Whether a replayed thinking block is one this provider and model sent, unchanged."""
    text, signature = block.get("thinking"), block.get("signature")
    if not isinstance(text, str) or not isinstance(signature, str):
        return False
    return hmac.compare_digest(sign(call, text).encode(), signature.encode())
