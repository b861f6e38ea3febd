"""Observing a set of cells: lease the proxy, run the suite, keep each observation the moment it is there."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timezone
from functools import cached_property

import dagster as dg

from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.domain.observation import Inconclusive, NotApplicable, Observation, Pass
from compat_pipeline.history.store import RunContext
from compat_pipeline.proxy.lease import why_down
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import Runtime
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex
from compat_pipeline.resources.runtime import ProxyRuntime
from compat_pipeline.suite.revision import suite_revision
from compat_pipeline.suite.runner import run_suite
from compat_pipeline.suite.settings import SuiteSettings

progress = logging.getLogger("compat_pipeline.progress")
"""One record per finished cell, with `observation`, `done` and `planned` as extras."""


class CellRunner(dg.ConfigurableResource):
    """Runs cells against one pair of versions. `workers`: CLI processes at a time; 0 means one per core."""

    home: dg.ResourceDependency[Home]
    python_index: dg.ResourceDependency[PythonIndex]
    npm: dg.ResourceDependency[NpmRegistry]
    runtime: dg.ResourceDependency[ProxyRuntime]
    workers: int = 0

    @cached_property
    def suite_revision(self) -> str:
        """By which observations are comparable."""
        return suite_revision(self.home.manifest)

    def observe(
        self, litellm: LitellmRelease, claude_code: ClaudeCodeRelease, cells: Sequence[Cell], run_id: str
    ) -> Iterator[Observation]:
        """One observation per cell as it finishes, already in the history.

        Raises CompatError only when nothing could be run: no binary, no proxy.
        """
        if not cells:
            return
        run = RunContext(
            litellm_version=litellm.tag,
            claude_code_version=claude_code.version,
            suite_revision=self.suite_revision,
            upstream="emulated",
            run_id=run_id,
        )
        cli, venv = self.npm.fetch(claude_code), self.python_index.install(litellm)
        with self.runtime.lease(litellm, venv, self.home.manifest) as proxy:
            settings = SuiteSettings.for_runtime(proxy, cli, self.home.paths.scratch, self.suite_revision)
            trials = [Trial(cell) for cell in cells]
            for done, seen in enumerate(self._until_the_proxy_dies(trials, settings, proxy), start=1):
                self.home.history.append(run, [seen])
                extra = {"observation": seen, "done": done, "planned": len(cells)}
                progress.info("%s %s", seen.outcome.status, seen.cell.key, extra=extra)
                yield seen

    def _until_the_proxy_dies(
        self, trials: Sequence[Trial], settings: SuiteSettings, proxy: Runtime
    ) -> Iterator[Observation]:
        """The suite's observations; once the proxy is gone, neither a failed cell nor one not yet run is to blame."""
        pending = dict.fromkeys(trials)
        workers = self.workers or os.cpu_count() or 1
        with closing(run_suite(trials, settings, self.home.paths, workers=workers)) as suite:
            for seen in suite:
                conclusive = isinstance(seen.outcome, Pass | NotApplicable)
                reason = None if conclusive else why_down(self.home.paths, proxy)
                if reason is not None:
                    break
                pending.pop(seen.trial, None)
                yield seen
            else:
                return
        outcome = Inconclusive(cause="environment", error=reason)
        for trial in pending:
            yield Observation.not_run(trial, outcome, datetime.now(timezone.utc))
