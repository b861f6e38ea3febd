"""Observing a set of cells: lease the proxy, run the suite, keep each observation the moment it is there."""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timezone
from functools import cached_property

import dagster as dg

from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Inconclusive, NotApplicable, Observation, Pass
from compat_pipeline.ground.revision import code_revision
from compat_pipeline.history.store import RunContext
from compat_pipeline.proxy.lease import why_down
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import Runtime
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex
from compat_pipeline.resources.runtime import ProxyRuntime
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
        """Digest of all that decides what an observation says, versions apart: the code that runs and judges a cell,
        and the routes. Observations of different revisions are not comparable (wpt.fyi compares aligned runs only)."""
        code = code_revision("claude", "domain", "emulator", "proxy", "suite", "wire")
        routes = self.home.manifest.model_dump_json(include={"providers", "models"})
        return hashlib.sha256(f"{code} {routes}".encode()).hexdigest()[:12]

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
            settings = SuiteSettings.for_runtime(proxy, cli.path, self.home.paths.scratch)
            for done, seen in enumerate(self._until_the_proxy_dies(cells, settings, proxy), start=1):
                self.home.history.append(run, [seen])
                extra = {"observation": seen, "done": done, "planned": len(cells)}
                progress.info("%s %s", seen.outcome.status, seen.cell.key, extra=extra)
                yield seen

    def _until_the_proxy_dies(
        self, cells: Sequence[Cell], settings: SuiteSettings, proxy: Runtime
    ) -> Iterator[Observation]:
        """The suite's observations; once the proxy is gone, neither a failed cell nor one not yet run is to blame."""
        pending = dict.fromkeys(cells)
        workers = self.workers or os.cpu_count() or 1
        with closing(run_suite(cells, settings, self.home.paths, workers=workers)) as suite:
            for seen in suite:
                conclusive = isinstance(seen.outcome, Pass | NotApplicable)
                reason = None if conclusive else why_down(self.home.paths, proxy)
                if reason is not None:
                    break
                pending.pop(seen.cell, None)
                yield seen
            else:
                return
        outcome = Inconclusive(cause="environment", error=reason)
        for cell in pending:
            yield Observation.not_run(cell, outcome, datetime.now(timezone.utc))
