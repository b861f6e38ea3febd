"""Errors meant for a person to read: what went wrong, why, and what to do next."""

from __future__ import annotations


class CompatError(Exception):
    """A fault a user or operator can act on; shown as one message, never as a traceback."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message if not next_step else f"{message}\n  next: {next_step}")
        self.message, self.next_step = message, next_step


class WrongUsage(CompatError):
    """What was asked for makes no sense, whatever the state of the machine: `compat` exits with 2."""
