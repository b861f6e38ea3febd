"""Running one environment: a process group and a folder of its own, for a limited time, gone afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from compat_pipeline.claude.binary import ClaudeCli
from compat_pipeline.domain.environment import Interpreter
from compat_pipeline.domain.environment_cell import EnvironmentCell
from compat_pipeline.domain.environment_verdict import STAGES, EnvironmentObservation, Stage, StageSeen
from compat_pipeline.environment.ladder import CellSpec
from compat_pipeline.ground.child import run_child
from compat_pipeline.ground.home import CompatHome, make_folder, write_atomically
from compat_pipeline.ground.manifest_file import manifest_given
from compat_pipeline.ground.process import client_environment, quotable
from compat_pipeline.ground.scratch import scratch_folder
from compat_pipeline.proxy.process import PACKAGE_PARENT

_LAST_WORDS_CHARS = 1000


def run_environment(
    cell: EnvironmentCell,
    interpreter: Interpreter,
    cli: ClaudeCli,
    home: CompatHome,
    *,
    routes: Sequence[str],
    limit_s: float,
    until: Stage = "claude_cli",
    controls: bool = True,
    halted: Callable[[], bool] = lambda: False,
) -> EnvironmentObservation:
    """What was seen of `cell` with `interpreter`: data, whatever it is; ended early once it is `halted`.

    Raises CompatError where nothing can be written.
    """
    with scratch_folder(make_folder(home.scratch)) as folder:
        spec = CellSpec(
            cell=cell,
            python=Path(interpreter.path),
            python_version=interpreter.version,
            platform=interpreter.platform,
            folder=folder,
            cli=cli,
            routes=tuple(routes),
            until=until,
            controls=controls,
        )
        write_atomically(folder / "spec.json", spec.model_dump_json())
        environment = {
            **client_environment(),
            "PYTHONPATH": str(PACKAGE_PARENT),
            "COMPAT_HOME": str(home.root),
            "COMPAT_CACHE": str(home.cache),
            **manifest_given(),
        }
        run = run_child(
            [sys.executable, "-m", "compat_pipeline.environment", folder / "spec.json"],
            env=environment,
            cwd=folder,
            limit_s=limit_s,
            halted=halted,
        )
    seen = next((one for line in reversed(run.stdout) if (one := _parsed(line))), spec.nothing_yet())
    if run.timed_out:
        return _cut_off(seen, f"it took longer than {limit_s:.0f} s")
    if run.exit_code:
        return _cut_off(seen, f"its process ended: {quotable(run.stderr, environment)[-_LAST_WORDS_CHARS:].strip()}")
    return seen


def _cut_off(seen: EnvironmentObservation, why: str) -> EnvironmentObservation:
    """With the stage in which it ended early."""
    reached = max((STAGES.index(one.stage) for one in seen.stages), default=-1) + 1
    return seen.ended(StageSeen(stage=STAGES[min(reached, len(STAGES) - 1)], outcome="unclear", words=why))


def _parsed(line: bytes) -> EnvironmentObservation | None:
    try:
        return EnvironmentObservation.model_validate_json(line)
    except ValidationError:
        return None
