"""AWS event-stream framing: one binary message per event, with checksums (botocore publishes only the reader)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

_STRING = 7  # header value type
MEDIA_TYPE = "application/vnd.amazon.eventstream"


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Prelude (two lengths and their CRC-32), headers, payload, CRC-32 of all before it."""
    packed = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode()
        for name, value in ((name, headers[name]) for name in headers)
    )
    lengths = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = lengths + struct.pack("!I", zlib.crc32(lengths)) + packed + payload
    return message + struct.pack("!I", zlib.crc32(message))


def event(kind: str, payload: bytes) -> bytes:
    """An event of the modelled type `kind`, JSON inside."""
    return frame({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception(kind: str, payload: bytes) -> bytes:
    """A modelled exception inside a stream that began with HTTP 200."""
    return frame({":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}, payload)
