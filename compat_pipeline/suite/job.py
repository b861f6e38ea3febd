"""A job for the suite: which trials, with what, and how pytest is started on them, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.ground.home import CompatHome, make_folder
from compat_pipeline.suite.settings import (
    HALT_VARIABLE,
    SETTINGS_VARIABLE,
    STREAM_VARIABLE,
    TRIALS_VARIABLE,
    SuiteSettings,
)

_SETTINGS, _TRIALS, _HALT = "suite.json", "trials", "halt"


def test_file(suite: PurePath, cell: Cell) -> PurePath:
    """Where `suite`, a folder of tests, has the cell's test, if it has one."""
    return suite / cell.feature / f"test_{cell.provider}.py"


@dataclass(frozen=True)
class Job:
    """`trials` in at most `workers` processes; `folder` is a scratch folder, ours until the job is done.

    With `artifact`, what was observed ends in `compat-results.json`, too.
    """

    trials: Sequence[Trial]
    settings: SuiteSettings
    home: CompatHome
    folder: Path
    workers: int
    artifact: bool

    @property
    def given(self) -> Path:
        """The folder with what pytest is to read."""
        return self.folder / "given"

    @property
    def log(self) -> Path:
        """What pytest says."""
        return self.folder / "suite.log"

    @property
    def processes(self) -> int:
        """A single cell needs no second process; starting one would double its time."""
        return min(self.workers, len(self.trials))

    def give(self, settings: SuiteSettings) -> None:
        """Fill `given`; `settings` are as pytest is to see them."""
        settings.save(make_folder(self.given) / _SETTINGS)
        (self.given / _TRIALS).write_text("\n".join(trial.key for trial in self.trials))

    def halt(self) -> None:
        """Let no further test start."""
        (self.given / _HALT).touch()

    @staticmethod
    def environment(suite: PurePath, given: PurePath, stream: PurePath) -> dict[str, str]:
        """Variables that lead pytest to the tests, to what is given, and to where each finished cell is written; all
        paths are as it sees them."""
        return {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(suite.parents[1]),
            STREAM_VARIABLE: str(stream),
            TRIALS_VARIABLE: str(given / _TRIALS),
            SETTINGS_VARIABLE: str(given / _SETTINGS),
            HALT_VARIABLE: str(given / _HALT),
        }

    def command(self, python: str, suite: PurePath) -> list[str]:
        """The command line; `suite` is the folder of tests as pytest sees it."""
        parallel = ["-p", "xdist.plugin", "-n", str(self.processes), "--dist", "worksteal"]
        # A file that does not import must not keep the others from running.
        options = ["-q", "--tb=short", "--continue-on-collection-errors", "--import-mode=importlib"]
        places = ["-p", "no:cacheprovider", "--rootdir", str(suite), "--override-ini=addopts="]
        plugins = ["-p", "compat_pipeline.suite.plugin", *(parallel if self.processes > 1 else [])]
        files = dict.fromkeys(str(test_file(suite, trial.cell)) for trial in self.trials)
        return [python, "-m", "pytest", *options, *places, *plugins, *files]
