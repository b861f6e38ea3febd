"""What a command says: words for people, or (`--json`) one document on standard output and the rest beside it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from io import TextIOWrapper
from typing import Any

import click
from rich.console import Console

_PIPED_WIDTH = 140

STATUS_STYLE = {
    "pass": ("✓", "green"),
    "fail": ("✗", "red"),
    "not_applicable": ("—", "bright_black"),
    "not_tested": ("?", "yellow"),
    "inconclusive": ("?", "yellow"),
    "unjudged": ("?", "yellow"),
}


def prepare_stdout() -> None:
    """What is printed goes through: to nowhere where that is closed, with a `?` for what it cannot spell."""
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def make_console() -> Console:
    """The user's terminal; as wide as the table needs where there is none. It follows where stdout is redirected."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


@dataclass(frozen=True)
class Output:
    """Where a command's progress and result go."""

    as_json: bool = False
    console: Console = field(default_factory=make_console)

    @contextmanager
    def working(self) -> Iterator[Console]:
        """The console for progress. With `as_json`, all that is printed in the block goes to standard error."""
        with redirect_stdout(sys.stderr) if self.as_json else nullcontext():
            yield self.console

    def result(self, document: str | dict[str, Any], words: Callable[[Console], None]) -> None:
        """Print the JSON `document`, or let `words` tell people the same."""
        if self.as_json:
            text = document if isinstance(document, str) else json.dumps(document, indent=2, ensure_ascii=False)
            click.echo(text.rstrip("\n"))
        else:
            words(self.console)


def printable(text: str) -> str:
    """`text` in one line, with nothing in it that would steer the terminal."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
