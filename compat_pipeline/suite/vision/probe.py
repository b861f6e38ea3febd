"""A picture of a random colour reaches the upstream bit by bit, and the answer names its colour.

Source: Anthropic's vision documentation. A picture nobody could guess: any text about a picture proves nothing.
"""

from __future__ import annotations

import base64
import io
import secrets
from typing import Any

from PIL import Image

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, prove
from compat_pipeline.suite.crossing import blocks

_COLOURS = {"red": (220, 20, 20), "green": (20, 160, 40), "blue": (20, 40, 220), "yellow": (250, 220, 20)}
_SIDE_PX = 64


def probe(run: CellRun) -> Outcome:
    """Show one of four colours."""
    nonce, colour = run.nonce(), secrets.choice(list(_COLOURS))
    picture = base64.b64encode(png(_COLOURS[colour])).decode()
    prompt = f"Which colour fills this picture? Reply with the code {nonce} followed by the colour's name."
    message = (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture}},
        {"type": "text", "text": prompt},
    )
    talk = run.converse(nonce, messages=(message,))

    seen = [source["data"] for source in pictures(talk.exchanges[0].request)]
    prove(seen == [picture], f"one picture was sent, {len(seen)} reached the upstream, or its bytes were changed")
    prove(prompt in str(talk.exchanges[0].request["messages"]), "the question did not reach the upstream whole")
    talk.prove_answer(f"{nonce} {colour}")
    return run.passed()


def png(colour: tuple[int, int, int]) -> bytes:
    """A square PNG of one colour."""
    output = io.BytesIO()
    Image.new("RGB", (_SIDE_PX, _SIDE_PX), colour).save(output, "PNG")
    return output.getvalue()


def pictures(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The source of every image block of a Messages request."""
    return [
        block["source"]
        for message in request.get("messages", [])
        for block in blocks(message)
        if block.get("type") == "image"
    ]
