"""What is kept for some days only."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

DAY_S = 86400.0


def days_ago(days: float) -> float:
    """That moment, in seconds since the epoch."""
    return time.time() - days * DAY_S


def remove_older(files: Iterable[Path], limit: float) -> list[Path]:
    """Remove those last written before `limit` (seconds since the epoch), and return them. Others may do so, too."""
    removed = []
    for file in files:
        with suppress(FileNotFoundError):
            if file.is_file() and file.stat().st_mtime < limit:
                file.unlink()
                removed.append(file)
    return removed
