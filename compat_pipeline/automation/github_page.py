"""What GitHub Actions shows of the gate: annotations by workflow commands, and the summary of the run's page."""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compat_pipeline.domain.gate import GateReport
from compat_pipeline.domain.gate_report import step_summary, workflow_commands
from compat_pipeline.resources.cell_runner import progress


@dataclass(frozen=True)
class GithubPage:
    """Does nothing where GitHub Actions does not run this. `summary` is the file that becomes the page's summary."""

    there: bool
    summary: str | None = None
    _token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "GithubPage":
        return cls(environ.get("GITHUB_ACTIONS") == "true", environ.get("GITHUB_STEP_SUMMARY") or None)

    def hold(self) -> None:
        """From here on the runner takes no line for a command: what is tested has its words in our output, too."""
        self._write(f"::stop-commands::{self._token}")

    def tell(self, report: GateReport, summary: str) -> None:
        """Annotate and summarise, then hold again."""
        self._write(f"::{self._token}::", *workflow_commands(report))
        self.hold()
        if not (self.there and self.summary):
            return
        try:
            with Path(self.summary).open("a", encoding="utf-8") as page:
                page.write(step_summary(summary, page.tell()))
        except OSError as error:  # the files of the gate say the same
            progress.warning("cannot write the summary to %s: %s", self.summary, error.strerror)

    def _write(self, *lines: str) -> None:
        if self.there:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
