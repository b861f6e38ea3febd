"""Runs chosen cells through pytest in a few worker processes and yields each observation as it comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.domain.observation import Inconclusive, Observation
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.home import CompatHome, write_atomically
from compat_pipeline.ground.process import end_group, spawn
from compat_pipeline.ground.scratch import scratch_folder
from compat_pipeline.suite.settings import (
    HALT_VARIABLE,
    RESULTS_VARIABLE,
    SETTINGS_VARIABLE,
    STREAM_VARIABLE,
    TRIALS_VARIABLE,
    SuiteSettings,
)

SUITE = Path(__file__).parent
_LOG_TAIL_CHARS = 600
_HALT = "halt"


def has_test(cell: Cell) -> bool:
    """Whether the suite holds a test file for the cell's feature on its provider."""
    return _test_file(cell).is_file()


def _test_file(cell: Cell) -> Path:
    return SUITE / cell.feature / f"test_{cell.provider}.py"


def run_suite(
    trials: Sequence[Trial],
    settings: SuiteSettings,
    home: CompatHome,
    *,
    workers: int,
    artifact: bool,
    halted: Callable[[], bool] = lambda: False,
) -> Generator[Observation, None, None]:
    """One observation per trial, in the order they finish; with `artifact`, all of them in `compat-results.json`, too.

    A cell whose test never reported (pytest died, a file does not import) comes last, as inconclusive with cause
    `harness`. `halted` is asked after each observation: once it is so, no further trial is started, those under way
    end, and there is no observation of the others. Closing the iterator early ends pytest and every CLI it started.
    """
    with scratch_folder(home.scratch) as folder:
        log, pending, said = folder / "suite.log", dict.fromkeys(trials), ""
        try:
            for observation in _stream(trials, settings, home, folder, log, workers, artifact):
                pending.pop(observation.trial, None)
                yield observation
                if halted():
                    (folder / _HALT).touch()
        finally:
            if log.exists():
                said = Redactor(settings.secrets).text(log.read_text(errors="replace"))
            write_atomically(home.logs / "suite.log", said)
    for trial in pending if not halted() else ():
        yield _never_reported(trial, said[-_LOG_TAIL_CHARS:].strip())


def _stream(
    trials: Sequence[Trial],
    settings: SuiteSettings,
    home: CompatHome,
    folder: Path,
    log: Path,
    workers: int,
    artifact: bool,
) -> Iterator[Observation]:
    settings_file, trials_file = folder / "suite.json", folder / "trials"
    settings.model_copy(update={"scratch": folder}).save(settings_file)
    trials_file.write_text("\n".join(trial.key for trial in trials))
    reader, writer = os.pipe()
    environment = {
        **{name: os.environ[name] for name in ("PATH", "COMPAT_MANIFEST") if name in os.environ},
        "HOME": str(folder),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(SUITE.parents[1]),
        "COMPAT_HOME": str(home.root),
        STREAM_VARIABLE: f"/dev/fd/{writer}",
        RESULTS_VARIABLE: str(home.results) if artifact else "",
        TRIALS_VARIABLE: str(trials_file),
        SETTINGS_VARIABLE: str(settings_file),
        HALT_VARIABLE: str(folder / _HALT),
    }
    files = dict.fromkeys(_test_file(trial.cell) for trial in trials)
    with log.open("wb") as output:
        pytest = spawn(
            [*_pytest(min(workers, len(trials))), *files],
            env=environment, cwd=folder, stdout=output, stderr=output, pass_fds=[writer],
        )  # fmt: skip
        os.close(writer)
        try:
            with os.fdopen(reader) as lines:
                yield from map(Observation.model_validate_json, lines)
            pytest.wait()
        finally:
            end_group(pytest)


def _pytest(workers: int) -> list[str]:
    """A single cell needs no second process; starting one would double its time."""
    parallel = ["-p", "xdist.plugin", "-n", str(workers), "--dist", "worksteal"] if workers > 1 else []
    # A file that does not import must not keep the others from running.
    options = ["-q", "--tb=short", "--continue-on-collection-errors", "--import-mode=importlib"]
    places = ["-p", "no:cacheprovider", "--rootdir", str(SUITE), "--override-ini=addopts="]
    return [sys.executable, "-m", "pytest", *options, *places, "-p", "compat_pipeline.suite.plugin", *parallel]


def _never_reported(trial: Trial, last_words: str) -> Observation:
    reason = next((line for line in reversed(last_words.splitlines()) if "rror" in line), "pytest ended without it")
    outcome = Inconclusive(cause="harness", error=f"the test never reported: {reason}\n{last_words}")
    return Observation.not_run(trial, outcome, datetime.now(timezone.utc))
