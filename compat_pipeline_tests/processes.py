"""Waiting for other processes, shared by the tests that start some."""

from __future__ import annotations

import time

import psutil

PATIENCE_S = 60


def gone(pid: int) -> bool:
    """Whether the process ended within some seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False
