"""How a message is cut into the pieces of a stream."""

from __future__ import annotations

import json
import re

from compat_pipeline.emulator.contract import Answer, Json

_SHORT_TEXT_CHARACTERS = 24
_DELTA_CHARACTERS = 16


def cut(message: Json) -> Answer:
    """Rule C3: a short text comes as one delta, a longer one as several. Nothing to say is no delta."""
    return Answer(message, tuple(_pieces(block) for block in message["content"]))


def _pieces(block: Json) -> tuple[str, ...]:
    if block["type"] == "tool_use":
        whole = json.dumps(block["input"]) if block["input"] else ""
    else:
        whole = block["thinking"] if block["type"] == "thinking" else block["text"]
    if len(whole) <= _SHORT_TEXT_CHARACTERS:
        return (whole,) if whole else ()
    return tuple(re.findall(rf".{{1,{_DELTA_CHARACTERS}}}", whole, re.DOTALL))
