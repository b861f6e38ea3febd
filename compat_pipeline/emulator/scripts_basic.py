"""What the persona answers in the rows of the first matrix."""

from __future__ import annotations

import base64
import binascii
import io
import re

from PIL import Image

from compat_pipeline.emulator.contract import Call, Json
from compat_pipeline.emulator.script import Said, Script, Turn, result_text, text, use
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


def _run_command(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    command, nonce = match.groups()
    if turn.tool_results:
        return text(call, f"{nonce} {result_text(turn.tool_results[-1])}")
    called = use(call, "Bash", {"command": command, "description": "Run the requested command"})
    return called or text(call, f"{nonce} I have no Bash tool.")


def _name_colour(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    pictures = turn.blocks("image")
    return text(call, f"{match[1]} {_colour_of(pictures[-1]) if pictures else 'no picture'}")


def _count(call: Call, _: Turn, match: re.Match[str]) -> Said:
    return text(call, " ".join([match[1], *map(str, range(1, int(match[2]) + 1))]))


def _repeat(call: Call, _: Turn, match: re.Match[str]) -> Said:
    return text(call, match[1])


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


SCRIPTS = (
    Script(
        re.compile(
            rf"Use the Bash tool to run exactly this command: `([^`]+)`\. Then reply with the code ({NONCE_PATTERN})"
        ),
        _run_command,
    ),
    Script(
        re.compile(rf"Which colour fills this picture\? Reply with the code ({NONCE_PATTERN})"),
        _name_colour,
    ),
    Script(re.compile(rf"the code ({NONCE_PATTERN}) and then the numbers from 1 to (\d{{1,3}})"), _count),
    Script(re.compile(rf"Reply with exactly this code and nothing else: ({NONCE_PATTERN})"), _repeat),
)
