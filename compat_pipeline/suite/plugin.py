"""The pytest side of the suite: one test per model, outcomes as observations, results as they come.

A test lives in `<feature>/test_<provider>.py`; feature and provider are read from that path, and the test runs once
per model of the manifest. It reports through `compat_result.set({...})`. Each finished cell is written as one JSON
line to the file named by `COMPAT_RESULTS_STREAM`, and all of them end in the `compat-results.json` artifact.
"""

from __future__ import annotations

import gc
import json
import os
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.domain.manifest import Manifest, Provider
from compat_pipeline.domain.observation import (
    OUTCOME,
    Consumption,
    Inconclusive,
    NotApplicable,
    Observation,
    Outcome,
    Pass,
)
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.domain.reproduce import UNKNOWN
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.suite.cell_run import CellRun, Judged
from compat_pipeline.suite.consumption import consumed
from compat_pipeline.suite.reports import EvidenceKeeper, EvidenceLines, redacted, with_evidence, write_results
from compat_pipeline.suite.settings import (
    EVIDENCE_VARIABLE,
    HALT_VARIABLE,
    RESULTS_VARIABLE,
    STREAM_VARIABLE,
    TRIALS_VARIABLE,
    SuiteSettings,
)
from compat_pipeline.wire.evidence import Evidence, EvidenceStore
from compat_pipeline.wire.exchange import UpstreamControl
from compat_pipeline.wire.faults import fault_called

_RUN = pytest.StashKey[CellRun]()
_REPORTED = pytest.StashKey["CompatResult"]()
_CLAIMS = pytest.StashKey[int]()


class CompatResult:
    """The fixture with which a test reports: `set({"status": "pass"})` and the other members of the tagged union."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def set(self, result: Mapping[str, Any] | Outcome) -> None:
        """Report the outcome: pass, fail with `error`, not_applicable with `reason`. Once per test."""
        try:
            self.outcomes.append(OUTCOME.validate_python(result))
        except ValidationError as error:
            raise Judged(Inconclusive(cause="harness", error=f"not a result: {result!r} ({error})")) from error


class _Suite:
    """What all tests of one pytest process share; made on first use, so that collecting needs no proxy."""

    @cached_property
    def manifest(self) -> Manifest:
        return load_manifest()

    @cached_property
    def settings(self) -> SuiteSettings:
        return SuiteSettings.from_env()

    @property
    def mode(self) -> str:
        """Where the upstreams are; unknown where there are no settings, and no cell was judged."""
        try:
            return self.settings.upstream
        except CompatError:
            return UNKNOWN

    @cached_property
    def chosen(self) -> dict[tuple[str, str], list[Trial]] | None:
        """The chosen trials by feature and provider; None: every cell."""
        path = os.environ.get(TRIALS_VARIABLE)
        if not path:
            return None
        chosen: dict[tuple[str, str], list[Trial]] = {}
        for trial in map(Trial.parse, Path(path).read_text().splitlines()):
            chosen.setdefault((trial.cell.feature, trial.cell.provider), []).append(trial)
        return chosen

    @cached_property
    def evidence(self) -> EvidenceKeeper:
        lines = os.environ.get(EVIDENCE_VARIABLE)
        return EvidenceLines(Path(lines)) if lines else EvidenceStore(CompatHome.from_env().evidence)

    @cached_property
    def upstream(self) -> UpstreamControl:
        return UpstreamControl(self.settings.control_url, self.settings.control_token, self.settings.door)

    def provider(self, cell: Cell) -> Provider:
        return next(one for one in self.manifest.providers if one.id == cell.provider)


_SUITE = pytest.StashKey[_Suite]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SUITE] = suite = _Suite()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Reporter(suite))


class _Reporter:
    """In the controlling process: hands each observation on the moment it is there, leaves the artifact at the end."""

    def __init__(self, suite: _Suite) -> None:
        self._suite = suite
        self._finished: list[dict[str, Any]] = []
        stream = os.environ.get(STREAM_VARIABLE)
        self._lines = os.open(stream, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if stream else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == "observation" and isinstance(value, dict) and report.when != "teardown":
                self._finished.append(value)
                if self._lines is not None:
                    os.write(self._lines, json.dumps(value).encode() + b"\n")

    def pytest_sessionfinish(self) -> None:
        artifact = self._artifact()
        if self._finished and artifact:
            write_results(artifact, self._suite.mode, self._finished)

    def _artifact(self) -> Path | None:
        """Where the results are left: beside the other documents of the same upstreams; None where they are not."""
        named = os.environ.get(RESULTS_VARIABLE)
        if named is not None:
            return Path(named) if named else None
        home = CompatHome.from_env()
        try:
            return replace(home, upstream=self._suite.settings.upstream).results
        except CompatError:  # no settings, no cell was judged
            return home.results


def _place(path: Path) -> tuple[str, str]:
    """(feature, provider) of a test file."""
    return path.parent.name, path.stem.removeprefix("test_")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that takes `cell` once per model; where trials were chosen, once per trial."""
    if "cell" not in metafunc.fixturenames:
        return
    suite = metafunc.config.stash[_SUITE]
    feature, provider = _place(metafunc.definition.path)
    trials = [Trial(Cell(feature, provider, model.id)) for model in suite.manifest.models]
    if suite.chosen is not None:
        trials = suite.chosen.get((feature, provider), [])
    names = [f"{trial.cell.model}-{trial.fault}" if trial.fault else trial.cell.model for trial in trials]
    metafunc.parametrize("trial", trials, ids=names, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the trials that two tests claim: neither may speak for the cell."""
    claims = Counter(_trial(item) for item in items)
    for item in items:
        item.stash[_CLAIMS] = claims[_trial(item)]


def pytest_collection_finish() -> None:
    gc.freeze()  # what is loaded now stays, so that nobody needs to look through it for garbage


def _trial(item: pytest.Item) -> Trial | None:
    spec = getattr(item, "callspec", None)
    trial = spec.params.get("trial") if spec else None
    return trial if isinstance(trial, Trial) else None


def pytest_runtest_protocol(item: pytest.Item) -> bool | None:  # noqa: ARG001 - pytest's form
    """Start no further test once whoever runs the suite has called a halt; those under way end by themselves."""
    halt = os.environ.get(HALT_VARIABLE)
    return True if halt and Path(halt).exists() else None


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> Trial:
    """The cell this test runs, and the fault on its wire, if any."""
    chosen: Trial = request.param
    return chosen


@pytest.fixture
def cell(trial: Trial) -> Cell:
    """The cell this test speaks for."""
    return trial.cell


@pytest.fixture
def compat(request: pytest.FixtureRequest, trial: Trial) -> CellRun:
    """What a probe works with, bound to this test's cell."""
    suite = request.config.stash[_SUITE]
    fault = fault_called(trial.fault) if trial.fault else None
    provider, model = suite.provider(trial.cell), trial.cell.model
    run = CellRun(
        trial.cell,
        provider.routes[model],
        suite.settings,
        suite.upstream,
        fault,
        provider.served_as(model),
    )
    request.node.stash[_RUN] = run
    return run


@pytest.fixture
def compat_result(request: pytest.FixtureRequest, cell: Cell) -> CompatResult:  # noqa: ARG001 - makes it per cell
    """Where a test reports its outcome."""
    reported = CompatResult()
    request.node.stash[_REPORTED] = reported
    return reported


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a finished (or broken) test into an observation that travels with its report."""
    report = yield
    trial = _trial(item)
    if trial is not None and (call.when == "call" or (call.when == "setup" and call.excinfo is not None)):
        observation = _observe(trial, item, call)
        report.user_properties.append(("observation", observation.model_dump(mode="json")))
        judged_well = isinstance(observation.outcome, Pass | NotApplicable)
        report.outcome = "passed" if judged_well else "failed"
        report.longrepr = None if judged_well else f"{observation.outcome.status}: {observation.explanation}"
    return report


def _observe(trial: Trial, item: pytest.Item, call: pytest.CallInfo[None]) -> Observation:
    """The observation as it may be kept, and its evidence: error texts of the CLI and the proxy can quote a key.

    An observation whose evidence cannot be kept judges nothing, whatever it saw; the other cells go on.
    """
    run = item.stash.get(_RUN, None)
    seen = Observation(
        **trial.cell._asdict(),
        fault=trial.fault,
        outcome=_outcome(item, call),
        attempts=run.attempts if run else 1,
        duration_s=round(call.duration, 3),
        consumption=_consumption(run) if run else None,
        observed_at=datetime.fromtimestamp(call.stop, timezone.utc),
        findings=tuple(run.findings) if run else (),
    )
    redactor = Redactor(run.settings.secrets if run else ())
    seen = redacted(seen, redactor)
    return with_evidence(seen, _evidence(seen, run), item.config.stash[_SUITE].evidence, redactor) if run else seen


def _consumption(run: CellRun) -> Consumption | None:
    """None where an upstream counted in a way that makes no sense: the cell's tests judge that, not this."""
    try:
        return consumed((exchange for call in run.calls for exchange in call.upstream), run.settings.prices)
    except (AttributeError, TypeError, ValueError):
        return None


def _evidence(seen: Observation, run: CellRun) -> Evidence:
    settings = run.settings
    return Evidence(
        cell=seen.cell.key,
        fault=seen.fault,
        observed_at=seen.observed_at,
        status=seen.outcome.status,
        cause=seen.cause,
        explanation=seen.explanation,
        litellm_version=settings.litellm_version,
        litellm_request=settings.litellm_request,
        claude_code_version=settings.claude_code_version,
        suite_revision=settings.suite_revision,
        config_digest=settings.config_digest,
        variant=settings.variant,
        upstream=settings.upstream,
        calls=tuple(run.calls),
    )


def _outcome(item: pytest.Item, call: pytest.CallInfo[None]) -> Outcome:
    """A probe's judgement as it is; anything unforeseen in a test is the harness's fault and judges no product."""
    if item.stash[_CLAIMS] > 1:
        return Inconclusive(cause="harness", error=f"{item.stash[_CLAIMS]} tests report for this cell: keep one")
    reported = item.stash[_REPORTED].outcomes if _REPORTED in item.stash else []
    if call.excinfo is not None:
        if isinstance(call.excinfo.value, Judged):
            return call.excinfo.value.outcome
        if isinstance(call.excinfo.value, httpx.TransportError):
            gone = f"the upstreams' record is out of reach: {call.excinfo.exconly(tryshort=True)}"
            return Inconclusive(cause="environment", error=gone)
        return Inconclusive(cause="harness", error=f"the test broke: {call.excinfo.exconly(tryshort=True)}")
    if len(reported) != 1:
        times = "never" if not reported else f"{len(reported)} times"
        return Inconclusive(cause="harness", error=f"the test reported {times}: it must call compat_result.set once")
    return reported[0]
