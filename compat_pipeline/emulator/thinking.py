"""Thinking: whether a reply starts with it, what it says, and signatures that a replay must carry unchanged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from compat_pipeline.emulator.contract import Call, Json

_SECRET = secrets.token_bytes(32)
_DEEP_EFFORTS = frozenset({"high", "xhigh", "max"})


def thinks(call: Call) -> bool:
    """Rule M2, made deterministic: always when `enabled`, and when `adaptive` at effort high or above."""
    kind = _setting(call, "thinking").get("type")
    return kind == "enabled" or (kind == "adaptive" and _setting(call, "output_config").get("effort") in _DEEP_EFFORTS)


def shows_text(call: Call) -> bool:
    """Whether the block carries its text: `display`, else the model's default.

    `updates` is documented for later models only; on these it reads as the default (our judgement).
    """
    display = _setting(call, "thinking").get("display")
    return (display if display in ("summarized", "omitted") else call.facts.display) == "summarized"


def thinking_block(call: Call, prompt: str) -> Json:
    """A signed thinking block about `prompt`."""
    thought = f"The user says: {prompt[:200]!r}. I follow that to the letter and add nothing of my own."
    text = thought if shows_text(call) else ""
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


def _setting(call: Call, name: str) -> Json:
    value = call.request.get(name)
    return value if isinstance(value, dict) else {}
