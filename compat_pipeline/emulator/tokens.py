"""Token counts: one deterministic estimate, used for usage and for count_tokens alike."""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
from typing import Any

from PIL import Image

from compat_pipeline.emulator.contract import Json

CHARACTERS_PER_TOKEN = 2
"""Half of what tokenizers on the client's side find [J]: a count guessed there is never ours (litellm#37102)."""
_PIXELS_PER_TOKEN = 750  # Anthropic, vision guide: tokens = width * height / 750


def tokens_of_text(text: str) -> int:
    """Two characters a token, at least one."""
    return max(1, math.ceil(len(text) / CHARACTERS_PER_TOKEN))


def tokens_of_block(block: Any) -> int:
    """Tokens of a tool definition or content block (or a plain string)."""
    if isinstance(block, str):
        return tokens_of_text(block)
    if not isinstance(block, dict):
        return 1
    if block.get("type") == "image":
        return _tokens_of_picture(block)
    if block.get("type") == "text" and isinstance(block.get("text"), str):
        return tokens_of_text(block["text"])
    return tokens_of_text(json.dumps({name: value for name, value in block.items() if name != "cache_control"}))


def _tokens_of_picture(block: Json) -> int:
    try:
        with Image.open(io.BytesIO(base64.b64decode(block["source"]["data"]))) as image:
            pixels: int = image.width * image.height
        return max(1, math.ceil(pixels / _PIXELS_PER_TOKEN))
    except (KeyError, TypeError, ValueError, OSError, binascii.Error):
        return 1
