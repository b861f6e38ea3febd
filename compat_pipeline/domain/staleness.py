"""Staleness: a resolver that keeps finding the same old version although newer ones exist. Pure."""

from __future__ import annotations

from collections.abc import Callable

from packaging.version import InvalidVersion, Version


def stale(version: str, found_before: str | None, newest: Callable[[], str]) -> str:
    """The newer version that the resolver keeps passing over; empty when there is none.

    `found_before` is what it found the stated number of days ago, None when it was not asked then. `newest` tells the
    newest version there is; it is asked only where it matters, because that takes a request. What is no version, such
    as a checkout, cannot be stale.
    """
    if found_before != version:
        return ""
    there_is = newest()
    try:
        return there_is if Version(there_is) > Version(version) else ""
    except InvalidVersion:
        return ""
