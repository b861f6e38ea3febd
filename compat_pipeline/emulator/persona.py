"""The persona: answers from what the request holds, as a model would that follows instructions to the letter."""

from __future__ import annotations

import base64
import binascii
import io
import re
import secrets
from dataclasses import dataclass

from PIL import Image

from compat_pipeline.emulator.contract import Call, Json, blocks_of
from compat_pipeline.emulator.shapes import shows
from compat_pipeline.emulator.thinking import thinking_block
from compat_pipeline.emulator.tokens import tokens_of_text
from compat_pipeline.wire.exchange import NONCE_PATTERN

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 160, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "purple": (128, 0, 128),
    "orange": (255, 140, 0),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "cyan": (0, 255, 255),
    "pink": (255, 150, 200),
}

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_EXACT = re.compile(rf"Reply with exactly this code and nothing else: ({NONCE_PATTERN})")
_COUNT = re.compile(rf"the code ({NONCE_PATTERN}) and then the numbers from 1 to (\d{{1,3}})")
_BASH = re.compile(
    rf"Use the Bash tool to run exactly this command: `([^`]+)`\. Then reply with the code ({NONCE_PATTERN})"
)
_COLOUR = re.compile(rf"Which colour fills this picture\? Reply with the code ({NONCE_PATTERN})")
_TOOL_ID_PREFIX = {"vertex_ai": "toolu_vrtx_", "bedrock_invoke": "toolu_bdrk_", "bedrock_converse": "tooluse_"}


@dataclass(frozen=True)
class _Turn:
    """The last thing the user really said, the pictures beside it, and the tool results since."""

    prompt: str
    pictures: tuple[Json, ...]
    tool_results: tuple[Json, ...]


def reply_to(call: Call) -> tuple[list[Json], str]:
    """Content blocks and stop_reason."""
    turn = _last_turn(call)
    content, stop_reason = _say(call, turn)
    if shows("M2", call):
        content = [thinking_block(call, turn.prompt), *content]
    return content, stop_reason


def _say(call: Call, turn: _Turn) -> tuple[list[Json], str]:
    if match := _BASH.search(turn.prompt):
        command, nonce = match.groups()
        if turn.tool_results:
            return _text(call, f"{nonce} {_result_text(turn.tool_results[-1])}")
        if _offers(call, "Bash"):
            return [
                _tool_use(call, "Bash", {"command": command, "description": "Run the requested command"})
            ], "tool_use"
        return _text(call, f"{nonce} I have no Bash tool.")
    if match := _COLOUR.search(turn.prompt):
        return _text(call, f"{match[1]} {_colour_of(turn.pictures[-1]) if turn.pictures else 'no picture'}")
    if match := _COUNT.search(turn.prompt):
        return _text(call, " ".join([match[1], *map(str, range(1, int(match[2]) + 1))]))
    if match := _EXACT.search(turn.prompt):
        return _text(call, match[1])
    return _text(call, "Hello! How can I help you today?")


def _text(call: Call, text: str) -> tuple[list[Json], str]:
    limit = call.request.get("max_tokens")
    if isinstance(limit, int) and tokens_of_text(text) > limit:
        return [{"type": "text", "text": text[: 4 * limit]}], "max_tokens"
    return [{"type": "text", "text": text}], "end_turn"


def _tool_use(call: Call, name: str, arguments: Json) -> Json:
    tool_id = _TOOL_ID_PREFIX.get(call.provider, "toolu_") + secrets.token_hex(12)
    return {"type": "tool_use", "id": tool_id, "name": name, "input": arguments}


def _offers(call: Call, name: str) -> bool:
    return call.setting("tool_choice").get("type") != "none" and any(tool.get("name") == name for tool in call.tools)


def _last_turn(call: Call) -> _Turn:
    results: list[Json] = []
    for message in reversed(call.messages):
        if message.get("role") != "user":
            continue
        blocks = blocks_of(message)
        results = [block for block in blocks if block.get("type") == "tool_result"] + results
        prompt = "\n".join(
            said
            for block in blocks
            if block.get("type") == "text" and (said := _REMINDER.sub("", block["text"]).strip())
        )
        if prompt:
            pictures = [block for block in blocks if block.get("type") == "image"]
            return _Turn(prompt, tuple(pictures), tuple(results))
    return _Turn("", (), tuple(results))


def _result_text(block: Json) -> str:
    parts = [part.get("text", "") for part in blocks_of(block)]
    return _REMINDER.sub("", "\n".join(parts)).strip()


def _colour_of(picture: Json) -> str:
    """The named colour nearest to the mean of the picture's pixels."""
    try:
        data = base64.b64decode(picture["source"]["data"], validate=True)
        with Image.open(io.BytesIO(data)) as image:
            red, green, blue = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    except (KeyError, TypeError, ValueError, OSError, binascii.Error):
        return "no picture"
    return min(
        COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLOURS[name], (red, green, blue), strict=True))
    )
