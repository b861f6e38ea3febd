"""Runs chosen cells through pytest in a few worker processes and yields each observation as it comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.domain.observation import Inconclusive, Observation
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, write_atomically
from compat_pipeline.ground.manifest_file import manifest_given
from compat_pipeline.ground.process import end_group, spawn
from compat_pipeline.ground.scratch import scratch_folder
from compat_pipeline.suite.job import Job, test_file
from compat_pipeline.suite.settings import RESULTS_VARIABLE, SuiteSettings

SUITE = Path(__file__).parent
_LOG_TAIL_CHARS = 600


def has_test(cell: Cell) -> bool:
    """Whether the suite holds a test file for the cell's feature on its provider."""
    return Path(test_file(SUITE, cell)).is_file()


def run_suite(
    trials: Sequence[Trial],
    settings: SuiteSettings,
    home: CompatHome,
    *,
    workers: int,
    artifact: bool,
    image: str | None = None,
    halted: Callable[[], bool] = lambda: False,
) -> Generator[Observation, None, None]:
    """One observation per trial, in the order they finish; with `artifact`, all of them in `compat-results.json`, too.

    The suite runs in a container of `image`, where there is one, else as processes. A cell whose test never reported
    comes last, as inconclusive: with cause `harness` (pytest died, a file does not import), or `environment` where its
    container was lost, or did not start. `halted` is asked after each observation: once it is so, no further trial is
    started, those under way end, and there is no observation of the others. Closing the iterator early ends pytest and
    every CLI it started.
    """
    with scratch_folder(home.scratch) as folder:
        job = Job(trials, settings, home, folder, workers, artifact)
        pending, said, lost = dict.fromkeys(trials), "", ""
        try:
            with closing(_in_container(job, image) if image else _in_processes(job)) as observations:
                for observation in observations:
                    pending.pop(observation.trial, None)
                    yield observation
                    if halted():
                        job.halt()
        except CompatError as error:
            if not image:
                raise
            lost = error.message
        finally:
            if job.log.exists():
                said = Redactor(settings.secrets).text(job.log.read_text(errors="replace"))
            write_atomically(home.logs / "suite.log", said)
    for trial in pending if not halted() else ():
        outcome = Inconclusive(cause="environment", error=lost) if lost else _silent(said[-_LOG_TAIL_CHARS:].strip())
        yield Observation.not_run(trial, outcome, datetime.now(timezone.utc))


def _in_processes(job: Job) -> Generator[Observation, None, None]:
    job.give(job.settings.model_copy(update={"scratch": job.folder}))
    reader, writer = os.pipe()
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        **manifest_given(),
        **job.environment(SUITE, job.given, Path(f"/dev/fd/{writer}")),
        "HOME": str(job.folder),
        "COMPAT_HOME": str(job.home.root),
        RESULTS_VARIABLE: str(job.home.results) if job.artifact else "",
    }
    with job.log.open("wb") as output:
        pytest = spawn(
            job.command(sys.executable, SUITE),
            env=environment, cwd=job.folder, stdout=output, stderr=output, pass_fds=[writer],
        )  # fmt: skip
        os.close(writer)
        try:
            with os.fdopen(reader) as lines:
                yield from map(Observation.model_validate_json, lines)
            pytest.wait()
        finally:
            end_group(pytest)


def _in_container(job: Job, image: str) -> Generator[Observation, None, None]:
    from compat_pipeline.suite.container import observations  # few have an engine's client to load

    return observations(job, SUITE, image)


def _silent(last_words: str) -> Inconclusive:
    """What is said of a cell whose test never reported."""
    reason = next((line for line in reversed(last_words.splitlines()) if "rror" in line), "pytest ended without it")
    return Inconclusive(cause="harness", error=f"the test never reported: {reason}\n{last_words}")
