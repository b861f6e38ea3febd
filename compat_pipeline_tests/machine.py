"""What a test does where the machine lacks a part that it needs."""

from __future__ import annotations

import os

import pytest


def not_run_without(item: pytest.Item, *lacks: str) -> None:
    """Tell a test by its name as not run where anything is lacking; on CI, which has all of it, it fails."""
    if lacks:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no {' and no '.join(lacks)}: {item.name}")
