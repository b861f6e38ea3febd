"""Observing a set of cells: lease the proxy, run the suite, keep each observation the moment it is there."""

import logging
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property

import dagster as dg

from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.domain.consumption import Spending
from compat_pipeline.domain.controls import (
    Grouping,
    KillTable,
    control_results,
    kill_table,
    plan_trials,
    told_apart,
)
from compat_pipeline.domain.observation import Inconclusive, NotApplicable, Observation, Pass
from compat_pipeline.domain.variants import ACCELERATED, DEFAULT, Comparison, Variant, compare
from compat_pipeline.history.store import RunContext
from compat_pipeline.proxy.lease import why_down
from compat_pipeline.proxy.prices import price_list
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import Runtime
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.housekeeping import tidy_up
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex, suite_image
from compat_pipeline.resources.runtime import ProxyRuntime
from compat_pipeline.suite.revision import suite_revision
from compat_pipeline.suite.runner import run_suite
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.faults import FAULTS, Fault, side_by_side

progress = logging.getLogger("compat_pipeline.progress")
"""One record per finished cell, with `observation`, `done` and `planned` as extras."""


@dataclass(frozen=True)
class _Stage:
    """What a set of cells runs on: a proxy that is up, under what its observations are kept, what the whole run has
    taken so far, and the image of the suite's container, if it is to run in one."""

    run: RunContext
    settings: SuiteSettings
    proxy: Runtime
    spending: Spending
    image: str | None


_MANY_TRIALS = 300


def clis_at_once(trials: int) -> int:
    """As many as there are cores; with many trials one more, because of those that run some wait. It takes a process of
    its own, which few trials do not pay for."""
    return (os.cpu_count() or 1) + (trials >= _MANY_TRIALS)


class CellRunner(dg.ConfigurableResource):
    """Runs cells against one pair of versions. `workers`: CLI processes at a time; 0 means `clis_at_once`.

    `budget_usd`: once a live run has cost as much by estimate, it starts no further cell; None sets no limit.
    """

    home: dg.ResourceDependency[Home]
    python_index: dg.ResourceDependency[PythonIndex]
    npm: dg.ResourceDependency[NpmRegistry]
    runtime: dg.ResourceDependency[ProxyRuntime]
    workers: int = 0
    budget_usd: float | None = None

    @cached_property
    def suite_revision(self) -> str:
        """By which observations are comparable."""
        return suite_revision(self.home.manifest)

    def observe(
        self,
        litellm: LitellmRelease,
        claude_code: ClaudeCodeRelease,
        cells: Sequence[Cell],
        run_id: str,
        *,
        plain: bool = True,
    ) -> Iterator[Observation]:
        """One observation per cell as it finishes, already in the history.

        A `plain` run leaves the artifact `compat-results.json`. Raises CompatError only when nothing could be run: no
        binary, no proxy.
        """
        if cells:
            with self._stage(litellm, claude_code, run_id, self._spending()) as stage:
                yield from self._observe(stage, cells, artifact=plain)

    def prove(
        self,
        litellm: LitellmRelease,
        claude_code: ClaudeCodeRelease,
        cells: Sequence[Cell],
        run_id: str,
        *,
        faults: Sequence[Fault],
        in_turn: bool,
    ) -> KillTable:
        """Run `cells` on a sound wire, then, of those that pass, each that a fault touches under that fault.

        What it proves of each cell is in the history at the end. `in_turn`: see `plan_trials`. Raises CompatError as
        `observe` does.
        """
        if not cells:
            return kill_table(faults, (), ())
        with self._stage(litellm, claude_code, run_id, self._spending()) as stage:
            baseline = list(self._observe(stage, cells))
            trials: list[Observation] = []
            plan = plan_trials(faults, self._touched(faults, baseline), self._grouping(baseline), in_turn=in_turn)
            while plan:
                tried = self._try(plan, stage)
                trials, plan = trials + tried, told_apart(tried)
            self.home.history.record_controls(stage.run, control_results(faults, baseline, trials))
        return kill_table(faults, baseline, trials)

    def _try(self, plan: Sequence[Trial], stage: _Stage) -> list[Observation]:
        """What came of trials under faults."""
        trials = []
        for done, seen in enumerate(self._until_the_proxy_dies(plan, stage), start=1):
            trials.append(seen)
            names = seen.trial.faults
            under = names[0] if len(names) == 1 else f"{len(names)} faults at once"
            progress.info("%d/%d %s under %s: %s", done, len(plan), seen.cell.key, under, seen.outcome.status)
        return trials

    def compare(
        self,
        litellm: LitellmRelease,
        claude_code: ClaudeCodeRelease,
        cells: Sequence[Cell],
        run_id: str,
        *,
        variants: Sequence[Variant],
    ) -> Comparison:
        """Observe `cells` under the default configuration and each of `variants`, a proxy for each, one after another.

        Raises CompatError as `observe` does.
        """
        observed: dict[Variant, list[Observation]] = {variant: [] for variant in (DEFAULT, *variants)}
        spending = self._spending()
        for variant in observed if cells else ():
            progress.info("configuration: %s", variant)
            with self._stage(litellm, claude_code, run_id, spending, variant) as stage:
                observed[variant] = list(self._observe(stage, cells))
        return compare(observed)

    def _touched(self, faults: Sequence[Fault], baseline: Sequence[Observation]) -> dict[str, list[Cell]]:
        """Fault -> the cells that passed and whose exchanges it would change; no other cell can notice it."""
        touched: dict[str, list[Cell]] = {fault.name: [] for fault in faults}
        for seen in baseline:
            if seen.outcome.status != "pass":
                continue
            exchanges = self._exchanges(seen)
            for fault in faults:
                if fault.touches(exchanges):
                    touched[fault.name].append(seen.cell)
        return touched

    def _grouping(self, baseline: Sequence[Observation]) -> Grouping:
        observed = {seen.cell: seen for seen in baseline}

        def grouped(cell: Cell, names: Sequence[str]) -> list[list[str]]:
            groups = side_by_side([FAULTS[name] for name in names], cell.feature, self._exchanges(observed[cell]))
            return [[fault.name for fault in group] for group in groups]

        return grouped

    def _exchanges(self, seen: Observation) -> list[ClientExchange]:
        """What passed between the CLI and the proxy."""
        calls = self.home.evidence.read(seen.evidence).calls if seen.evidence else ()
        return [exchange for call in calls for exchange in call.exchanges]

    def run_context(
        self, litellm: LitellmRelease, claude_code: ClaudeCodeRelease, run_id: str, variant: Variant = DEFAULT
    ) -> RunContext:
        """Under what the observations of a run are kept."""
        return RunContext(
            litellm_version=litellm.tag,
            claude_code_version=claude_code.version,
            suite_revision=self.suite_revision,
            upstream=self.home.paths.upstream,
            variant=variant,
            run_id=run_id,
        )

    @contextmanager
    def _stage(
        self,
        litellm: LitellmRelease,
        claude_code: ClaudeCodeRelease,
        run_id: str,
        spending: Spending,
        variant: Variant = DEFAULT,
    ) -> Iterator[_Stage]:
        run = self.run_context(litellm, claude_code, run_id, variant)
        # A wrong setting ends the run before it begins.
        self.home.refuse_wrong_settings()
        image = suite_image(os.environ)
        install = self.python_index.install_accelerated if variant == ACCELERATED else self.python_index.install
        cli, installed = self.npm.fetch(claude_code), install(litellm)
        prices = price_list(installed, self.home.manifest)
        with self.runtime.lease(litellm, installed, self.home.manifest, variant) as proxy:
            scratch = self.home.paths.scratch
            settings = SuiteSettings.for_runtime(proxy, litellm, cli, scratch, self.suite_revision, prices)
            try:
                yield _Stage(run, settings, proxy, spending, image)
            finally:
                if run.upstream == "live":
                    progress.info("used: %s", spending)
        tidy_up(self.home)

    def _observe(self, stage: _Stage, cells: Sequence[Cell], *, artifact: bool = False) -> Iterator[Observation]:
        trials = [Trial(cell) for cell in cells]
        for done, seen in enumerate(self._until_the_proxy_dies(trials, stage, artifact), start=1):
            self.home.history.append(stage.run, [seen])
            extra = {"observation": seen, "done": done, "planned": len(cells)}
            progress.info("%s %s", seen.outcome.status, seen.cell.key, extra=extra)
            yield seen

    def _until_the_proxy_dies(
        self, trials: Sequence[Trial], stage: _Stage, artifact: bool = False
    ) -> Iterator[Observation]:
        """The suite's observations; once the proxy is gone, neither a failed cell nor one not yet run is to blame.

        Where the user's account was refused, no cell is run: it would cost time, and could not be judged. Nor is any
        once the budget is used up.
        """
        refused = stage.proxy.locked_out
        for trial in (trial for trial in trials if trial.cell.target in refused):
            outcome = Inconclusive(cause="account", error=refused[trial.cell.target])
            yield Observation.not_run(trial, outcome, datetime.now(timezone.utc))
        pending = dict.fromkeys(trial for trial in trials if trial.cell.target not in refused)
        if stage.run.upstream == "live":
            self._tell_expected(stage, [trial.cell for trial in pending])
        reason: str | None = None
        if pending and not stage.spending.ended:
            with closing(self._suite(list(pending), stage, artifact)) as suite:
                for seen in suite:
                    stage.spending.add(seen.consumption)
                    conclusive = isinstance(seen.outcome, Pass | NotApplicable)
                    reason = None if conclusive else why_down(self.home.paths, stage.proxy)
                    if reason is not None:
                        break
                    pending.pop(seen.trial, None)
                    yield seen
        left = Inconclusive(cause="environment", error=reason) if reason else stage.spending.ended
        if left is not None:
            for trial in pending:
                yield Observation.not_run(trial, left, datetime.now(timezone.utc))

    def _suite(self, trials: Sequence[Trial], stage: _Stage, artifact: bool) -> Generator[Observation, None, None]:
        return run_suite(
            trials,
            stage.settings,
            self.home.paths,
            workers=self.workers or clis_at_once(len(trials)),
            artifact=artifact,
            image=stage.image,
            halted=lambda: stage.spending.ended is not None,
        )

    def _spending(self) -> Spending:
        """What a run that begins has taken. An emulated one spends nothing, so that no budget holds for it."""
        return Spending(self.budget_usd if self.home.paths.upstream == "live" else None)

    def _tell_expected(self, stage: _Stage, cells: Sequence[Cell]) -> None:
        """What `cells` will take if each takes what it took last, and whether a budget can count them all."""
        last, expected = self.home.history.last_consumption(), Spending()
        for cell in cells:
            expected.add(last.get(cell))
        progress.info("expected: %s", expected)
        routes = {one.id: one.routes for one in self.home.manifest.providers}
        priced = stage.settings.prices
        unpriced = {cell.target for cell in cells if routes[cell.provider][cell.model] not in priced[cell.provider]}
        if unpriced and self.budget_usd is not None:
            progress.warning("the budget cannot count %s: LiteLLM has no price of it", ", ".join(sorted(unpriced)))
