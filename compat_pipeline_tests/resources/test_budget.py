"""A live run says what it will take and what it took, and stops at its budget. The observations are scripted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import pytest

from compat_pipeline.claude.binary import ClaudeCli
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.observation import Consumption, Observation, Pass
from compat_pipeline.domain.variants import DEFAULT, Variant
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.image import ProxyImage
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import Runtime
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.resources import cell_runner
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex
from compat_pipeline.resources.runtime import ProxyRuntime
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline_tests.assets.conftest import CLAUDE_CODE, LITELLM

CELLS = [Cell("vision", "anthropic", f"claude-{model}") for model in ("haiku-4-5", "sonnet-4-6", "opus-4-7")]
TAKEN = Consumption(calls=2, input_tokens=1000, output_tokens=50, cost_usd=0.6)


class Installed(PythonIndex):
    def install(self, release: LitellmRelease) -> ProxyVenv:
        return ProxyVenv(python=Path("/nowhere/bin/python"), digest=release.digest)


class Fetched(NpmRegistry):
    def fetch(self, release: ClaudeCodeRelease) -> ClaudeCli:
        return ClaudeCli(Path("/nowhere/claude"), release.version, "ab" * 64, "cd" * 32, release.version)


class Up(ProxyRuntime):
    @contextmanager
    def lease(
        self,
        release: LitellmRelease,
        installed: ProxyVenv | ProxyImage,
        manifest: Manifest,  # noqa: ARG002
        variant: Variant = DEFAULT,
    ) -> Iterator[Runtime]:
        yield Runtime(
            key="up", proxy_url="http://proxy", api_key="k", control_url="http://upstream", control_token="t",
            ledger=Path("/nowhere/ledger"), secrets=(), upstream=CompatHome.from_env().upstream, variant=variant,
            litellm_version=release.tag, venv_digest=installed.digest, config_digest="", supervisor_pid=1, routes={},
            providers={}, started_at=datetime.now(timezone.utc),
        )  # fmt: skip


def one_by_one(
    trials: Sequence[Trial], _settings: SuiteSettings, _home: CompatHome, *, halted: Callable[[], bool], **_: object
) -> Generator[Observation, None, None]:
    """The suite with a single worker: each cell passes and takes the same."""
    for trial in trials:
        if halted():
            return
        now = datetime.now(timezone.utc)
        yield Observation(**trial.cell._asdict(), outcome=Pass(), consumption=TAKEN, observed_at=now)


@pytest.fixture(params=["live"])
def observe(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float | None], list[Observation]]:
    """Runs the cells under a budget, each time as another run of the same home."""
    monkeypatch.setenv("COMPAT_HOME", str(tmp_path))
    monkeypatch.setenv("COMPAT_UPSTREAM", request.param)
    monkeypatch.setattr(cell_runner, "run_suite", one_by_one)

    def run(budget_usd: float | None) -> list[Observation]:
        runner = CellRunner(home=Home(), python_index=Installed(), npm=Fetched(), runtime=Up(), budget_usd=budget_usd)
        return list(runner.observe(LITELLM, CLAUDE_CODE, CELLS, f"run-{budget_usd}"))

    return run


Observe = Callable[[float | None], list[Observation]]


def test_once_the_budget_is_reached_no_further_cell_runs_and_none_fails(observe: Observe) -> None:
    first, second, third = observe(1.0)
    assert [first.outcome, second.outcome] == [Pass(), Pass()]
    assert (third.outcome.status, third.cause, third.attempts) == ("inconclusive", "account", 0)
    assert "the budget of 1 USD (COMPAT_BUDGET_USD) is used up" in third.explanation
    assert third.cell == CELLS[2]


def test_a_run_within_its_budget_runs_every_cell(observe: Observe) -> None:
    assert [seen.outcome for seen in observe(5.0)] == [Pass()] * 3


@pytest.mark.parametrize("observe", ["emulated"], indirect=True)
def test_an_emulated_run_has_no_budget_and_tells_no_cost(observe: Observe, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "compat_pipeline.progress"):
        assert [seen.outcome for seen in observe(0.1)] == [Pass()] * 3
    assert "USD" not in caplog.text


def test_a_live_run_says_before_what_it_will_take_and_after_what_it_took(
    observe: Observe, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "compat_pipeline.progress"):
        observe(1.0)
        observe(None)
    told = [line for line in caplog.messages if line.startswith(("expected: ", "used: "))]
    assert told[0] == "expected: nothing is known of 3 cell(s)"
    assert told[1].startswith("used: 2 cell(s), 4 calls, tokens: 2,000 in, ")
    assert told[2] == told[1].replace("used", "expected") + "; nothing is known of 1 more"
    assert told[3].endswith("150 out, 1.80 USD by estimate")


def test_a_budget_that_cannot_count_a_model_says_so(observe: Observe, caplog: pytest.LogCaptureFixture) -> None:
    observe(1.0)
    assert "the budget cannot count anthropic/claude-haiku-4-5, anthropic/claude-opus-4-7" in caplog.text
