"""What the persona answers about a PDF: the word it finds in the document's bytes."""

from __future__ import annotations

import base64
import binascii
import re
import zlib

from compat_pipeline.emulator.contract import Call, Json, blocks_of
from compat_pipeline.emulator.script import Said, Script, Turn, text, use
from compat_pipeline.wire.exchange import NONCE_PATTERN

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_SHOWN_TEXT = re.compile(rb"\(((?:[^()\\]|\\.)*)\)\s*Tj")


def _read_page(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    return text(call, f"{match[1]} {_word(turn.blocks('document'))}")


def _open_file(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    name, nonce = match.groups()
    if turn.tool_results:
        parts = blocks_of(turn.tool_results[-1])
        found = [part for part in parts if part.get("type") == "document"]
        return text(call, f"{nonce} {_word(found)}")
    return use(call, "Read", {"file_path": name}) or text(call, f"{nonce} I have no Read tool.")


def _word(documents: list[Json]) -> str:
    """The text that the last document shows on its pages (ISO 32000-1, 9.4.3: the `Tj` operator)."""
    if not documents:
        return "no page"
    try:
        data = base64.b64decode(documents[-1]["source"]["data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return "no page"
    pages = b"".join(map(_unpacked, _STREAM.findall(data)))
    shown = b" ".join(_SHOWN_TEXT.findall(pages)) if data.startswith(b"%PDF-") else b""
    return shown.decode("latin-1") or "an empty page"


def _unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


SCRIPTS = (
    Script(
        re.compile(rf"Which word is printed on this page\? Reply with the code ({NONCE_PATTERN})"),
        _read_page,
    ),
    Script(
        re.compile(
            r"Use the Read tool to open the file (\S+) in the working folder\. "
            rf"Then reply with the code ({NONCE_PATTERN}) followed by the word printed on its page"
        ),
        _open_file,
    ),
)
