"""Live progress on a terminal: what the rooms say, and a line per finished cell."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from compat_pipeline.command.output import STATUS_STYLE
from compat_pipeline.domain.observation import Observation


class _Progress(logging.Handler):
    """Prints what the rooms say, and a line per finished cell."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        observation = getattr(record, "observation", None)
        if isinstance(observation, Observation):
            self._cell(observation, record.__dict__["done"], record.__dict__["planned"])
        else:
            self._console.print(f"[dim]{escape(record.getMessage())}[/]")

    def _cell(self, seen: Observation, done: int, planned: int) -> None:
        icon, style = STATUS_STYLE[seen.outcome.status]
        width = len(str(planned))
        tries = f"  attempt {seen.attempts}" if seen.attempts > 1 else ""
        self._console.print(
            f"[dim]{done:>{width}}/{planned}[/] [{style}]{icon}[/] {seen.feature:<30} {seen.provider:<17} "
            f"{seen.model:<18} {seen.duration_s:>5.1f} s{tries}"
        )
        if seen.explanation:
            self._console.print(f"[{style}]{' ' * (2 * width + 4)}{escape(seen.explanation.splitlines()[0][:160])}[/]")


@contextmanager
def progress_on(console: Console) -> Iterator[None]:
    """Show progress on `console` for the length of the block."""
    logger, handler = logging.getLogger("compat_pipeline"), _Progress(console)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
