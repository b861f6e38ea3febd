"""Running environments: plan them, climb the ladder in each, keep what was seen the moment it is there."""

import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from threading import Event

import dagster as dg

from compat_pipeline.claude.binary import ClaudeCli
from compat_pipeline.domain.bisect import Boundary
from compat_pipeline.domain.environment import (
    LATEST,
    EnvironmentManifest,
    EnvironmentPlan,
    Interpreters,
    Planned,
    Platform,
    plan,
    targets_of,
)
from compat_pipeline.domain.environment_cell import ACCELERATOR, EnvironmentCell
from compat_pipeline.domain.environment_issues import KnownEnvironmentIssue
from compat_pipeline.domain.environment_matrix import EnvironmentMatrix, build_environment_matrix
from compat_pipeline.domain.environment_rows import TargetSeen
from compat_pipeline.domain.environment_verdict import EnvironmentObservation, Stage, by_cell
from compat_pipeline.environment.bisecting import find_first_bad
from compat_pipeline.environment.interpreters import find_interpreters
from compat_pipeline.environment.resolving import ask_target, released_accelerator
from compat_pipeline.environment.run import run_environment
from compat_pipeline.ground.environment_files import load_environment_issues, load_environments
from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.ground.home import make_folder
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.ground.revision import code_revision
from compat_pipeline.ground.scratch import scratch_folder
from compat_pipeline.proxy.lease import reap
from compat_pipeline.resources.cell_runner import progress
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex

_ASKED_AT_A_TIME = 4
_OWN_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


class EnvironmentRunner(dg.ConfigurableResource):
    """Runs environments. `workers`: how many at a time; 0 means as many as there are cores."""

    home: dg.ResourceDependency[Home]
    python_index: dg.ResourceDependency[PythonIndex]
    npm: dg.ResourceDependency[NpmRegistry]
    workers: int = 0

    @cached_property
    def manifest(self) -> EnvironmentManifest:
        return load_environments()

    @cached_property
    def issues(self) -> tuple[KnownEnvironmentIssue, ...]:
        return load_environment_issues()

    @cached_property
    def routes(self) -> tuple[str, ...]:
        """Through which messages go; WrongUsage where there is one that the first matrix's manifest does not know."""
        try:
            load_manifest().of_targets(self.manifest.routes)
        except ValueError as error:
            raise WrongUsage(
                f"the routes of the environment manifest do not fit the manifest: {error}",
                "name each as the `provider/model` that it is there",
            ) from error
        return self.manifest.routes

    @cached_property
    def revision(self) -> str:
        """By which observations are comparable: the code that runs an environment."""
        return code_revision("environment", "emulator", "proxy")[:12]

    def interpreters(self) -> Interpreters:
        """Every Python of this machine."""
        found = find_interpreters(make_folder(self.home.paths.scratch))
        return Interpreters(own=_OWN_MINOR, platform=sysconfig.get_platform(), found=tuple(found))

    def plan(self, here: Interpreters) -> EnvironmentPlan:
        """What every environment of the manifest means today. Raises CompatError where the index cannot be asked."""
        with scratch_folder(make_folder(self.home.paths.scratch)) as folder:
            accelerator, wheels = released_accelerator(Path(sys.executable), folder)
            newest = {"litellm": self.python_index.resolve(LATEST).version, ACCELERATOR: accelerator}
            planned = plan(self.manifest, self.manifest.cells, here.found, newest)
            asked = targets_of(self.manifest, planned, newest, here.platform)
            progress.info("asking the resolver about %d environments that cannot be run here", len(asked))

            def ask(target: tuple[Platform | None, EnvironmentCell]) -> TargetSeen:
                platform, cell = target
                name, resolver = (platform.id, platform.resolver) if platform else (here.platform, "")
                return ask_target(cell, name, resolver, Path(sys.executable), folder)

            with ThreadPoolExecutor(_ASKED_AT_A_TIME) as pool:
                targets = tuple(pool.map(ask, asked))
        return EnvironmentPlan(
            platform=here.platform, newest=newest, wheels=tuple(wheels), planned=tuple(planned), targets=targets
        )

    def observe(self, planned: Sequence[Planned], run_id: str) -> Iterator[tuple[Planned, EnvironmentObservation]]:
        """What was seen of each of `planned` that can be run, as it finishes, already in the history."""
        # A wrong setting ends the run before it begins.
        history, _, _ = self.home.history, self.issues, self.routes
        due = [one for one in planned if one.runs]
        if not due:
            return
        reap(self.home.paths)
        cli = self._cli()
        pool, given_up = ThreadPoolExecutor(self.workers or os.cpu_count() or 1), Event()
        try:
            running = {pool.submit(self._run, one, cli, halted=given_up.is_set): one for one in due}
            for done, finished in enumerate(as_completed(running), start=1):
                one, seen = running[finished], finished.result()
                history.append_environment(run_id, self.revision, seen)
                unsound = seen.first_unsound
                told = f"{unsound.outcome} at {unsound.stage}" if unsound else "passed"
                progress.info("%d/%d %s: %s, %.0f s", done, len(due), one.cell.key, told, seen.duration_s)
                yield one, seen
        finally:
            given_up.set()
            pool.shutdown(cancel_futures=True)

    def matrix(self, planned: EnvironmentPlan) -> EnvironmentMatrix:
        """The matrix of `planned`, from everything that was ever seen here."""
        seen = self.home.history.environments(planned.platform, self.revision)
        return build_environment_matrix(self.manifest, planned, seen, self.issues, datetime.now(timezone.utc))

    def bisect(self, cell: EnvironmentCell, last: str, stage: Stage, here: Interpreters) -> Boundary:
        """The first LiteLLM after that of `cell`, up to `last`, with which `stage` fails in the environment of `cell`.

        What the history knows, and is not too old, is not run again. Raises CompatError.
        """
        interpreter = next((one for one in here.found if one.minor == cell.python and not one.trouble), None)
        if interpreter is None:
            raise WrongUsage(f"there is no Python {cell.python} here", "install it, or choose another one")
        _, cli = self.routes, self._cli()

        def run(version: str) -> EnvironmentObservation:
            tried = Planned(cell=cell, means=cell._replace(litellm=version), interpreter=interpreter)
            seen = self._run(tried, cli, until=stage, controls=False)
            progress.info(
                "LiteLLM %s: %s", version, "sound" if seen.first_unsound is None else seen.first_unsound.stage
            )
            return seen

        with scratch_folder(make_folder(self.home.paths.scratch)) as folder:
            python = Path(interpreter.path)
            return find_first_bad(cell.litellm, last, stage, run, self._known(cell, here.platform), python, folder)

    def _known(self, cell: EnvironmentCell, platform: str) -> dict[str, EnvironmentObservation]:
        """LiteLLM version -> the latest conclusive run of it in the environment of `cell`."""
        now, known = datetime.now(timezone.utc), {}
        for other, seen in by_cell(self.home.history.environments(platform, self.revision)).items():
            young = [one for one in seen if one.conclusive and (now - one.observed_at).days < self.manifest.valid_days]
            if young and other._replace(litellm=cell.litellm) == cell:
                known[other.litellm] = young[-1]
        return known

    def _cli(self) -> ClaudeCli:
        return self.npm.fetch(self.npm.resolve(""))

    def _run(
        self,
        one: Planned,
        cli: ClaudeCli,
        *,
        until: Stage = "claude_cli",
        controls: bool = True,
        halted: Callable[[], bool] = lambda: False,
    ) -> EnvironmentObservation:
        if one.interpreter is None:
            raise ValueError(f"{one.cell.key} has no interpreter")
        return run_environment(
            one.means,
            one.interpreter,
            cli,
            self.home.paths,
            routes=self.routes,
            limit_s=self.manifest.cell_limit_s,
            until=until,
            controls=controls,
            halted=halted,
        )
