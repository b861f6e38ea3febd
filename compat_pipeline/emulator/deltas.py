"""How a message is cut into the pieces of a stream."""

from __future__ import annotations

import json
import re

from compat_pipeline.emulator.contract import Answer, Json

_SHORT_TEXT_CHARACTERS = 24
_DELTA_CHARACTERS = 16
_FINE_CHARACTERS = 5
_SAID_IN = {"text": "text", "thinking": "thinking"}  # all other blocks come whole in their start event


def cut(message: Json, *, fine_tools: bool = False) -> Answer:
    """Rule C3: a short text comes as one delta, a longer one as several. Nothing to say is no delta.

    Rule F1: with `fine_tools`, the input of a tool comes in many small pieces, however short it is.
    """
    return Answer(message, tuple(_pieces(block, fine_tools) for block in message["content"]))


def _pieces(block: Json, fine_tools: bool) -> tuple[str, ...]:
    if block["type"] in ("tool_use", "server_tool_use"):
        whole = json.dumps(block["input"]) if block["input"] else ""
        if fine_tools:
            return _every(_FINE_CHARACTERS, whole)
    else:
        whole = block.get(_SAID_IN.get(block["type"], ""), "")
    if len(whole) <= _SHORT_TEXT_CHARACTERS:
        return (whole,) if whole else ()
    return _every(_DELTA_CHARACTERS, whole)


def _every(characters: int, whole: str) -> tuple[str, ...]:
    return tuple(re.findall(rf".{{1,{characters}}}", whole, re.DOTALL))
