"""Observing a set of cells: lease the proxy, run the suite, keep each observation the moment it is there."""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import dagster as dg

from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Fail, Inconclusive, Observation
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

_PACKAGE = Path(__file__).parents[1]
_ROOMS_THAT_JUDGE = ("claude", "domain", "emulator", "suite", "wire")


@cache
def suite_revision() -> str:
    """Digest of all code that decides what an observation says; runs of different revisions are not comparable."""
    digest = hashlib.sha256()
    for room in _ROOMS_THAT_JUDGE:
        for source in sorted((_PACKAGE / room).rglob("*.py")):
            digest.update(str(source.relative_to(_PACKAGE)).encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:12]


class CellRunner(dg.ConfigurableResource):
    """Runs cells against one pair of versions. `workers`: CLI processes at a time; 0 means one per core."""

    home: dg.ResourceDependency[Home]
    python_index: dg.ResourceDependency[PythonIndex]
    npm: dg.ResourceDependency[NpmRegistry]
    runtime: dg.ResourceDependency[ProxyRuntime]
    workers: int = 0

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
            suite_revision=suite_revision(),
            upstream="emulated",
            run_id=run_id,
        )
        cli, venv = self.npm.fetch(claude_code), self.python_index.install(litellm)
        with self.runtime.lease(litellm, venv, self.home.manifest) as proxy:
            settings = SuiteSettings(
                proxy_url=proxy.proxy_url,
                proxy_key=proxy.api_key,
                control_url=proxy.control_url,
                control_token=proxy.control_token,
                claude=cli.path,
                scratch=self.home.paths.scratch,
            )
            workers = self.workers or os.cpu_count() or 1
            for done, seen in enumerate(run_suite(cells, settings, self.home.paths, workers=workers), start=1):
                observation = self._without_blame_for_a_dead_proxy(seen, proxy)
                self.home.history.append(run, [observation])
                progress.info(
                    "%s %s",
                    observation.outcome.status,
                    observation.cell.key,
                    extra={"observation": observation, "done": done, "planned": len(cells)},
                )
                yield observation

    def _without_blame_for_a_dead_proxy(self, seen: Observation, proxy: Runtime) -> Observation:
        """A cell that failed because the proxy is gone says nothing about the feature."""
        if not isinstance(seen.outcome, Fail | Inconclusive):
            return seen
        if (reason := why_down(self.home.paths, proxy)) is None:
            return seen
        return seen.model_copy(update={"outcome": Inconclusive(cause="environment", error=reason)})
