"""Which code is running: a digest over rooms of this package."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


@cache
def code_revision(*rooms: str) -> str:
    """Hex digest of every Python file in `rooms`, names included; computed once per process."""
    digest = hashlib.sha256()
    for room in rooms:
        for source in sorted((_PACKAGE / room).rglob("*.py")):
            digest.update(str(source.relative_to(_PACKAGE)).encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()
