"""Negative controls: environments that are broken on purpose, which the stage `import` must turn red."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from compat_pipeline.domain.environment_cell import EnvironmentCell
from compat_pipeline.domain.environment_claims import FALLBACK_CONTROL
from compat_pipeline.domain.environment_verdict import StageSeen
from compat_pipeline.environment.probing import ProbeEvent, probe
from compat_pipeline.ground.errors import CompatError

_MODULE = "fast_litellm"


def try_controls(cell: EnvironmentCell, python: Path, folder: Path) -> dict[str, StageSeen]:
    """Name of each control -> how the stage `import` ended under it, in the environment of `cell`."""
    told = {}
    for name, break_it in _CONTROLS.items():
        shadow = folder / name / "shadow"
        shadow.mkdir(parents=True)
        break_it(python, shadow)
        event = next(probe(cell, python, folder / name / "probe", last="import", shadow=shadow))
        told[name] = event.ended if isinstance(event, ProbeEvent) else event
    return told


def _litellm_that_raises(_python: Path, shadow: Path) -> None:
    """As LiteLLM did whose annotations an older Python could not evaluate."""
    (shadow / "litellm").mkdir()
    (shadow / "litellm" / "__init__.py").write_text('raise TypeError("unsupported operand type(s) for |")\n')


def _without_compiled_module(python: Path, shadow: Path) -> None:
    """As on a platform without a wheel."""
    installed = next(python.parents[1].glob(f"lib/python3*/site-packages/{_MODULE}"), None)
    if installed is None:
        raise CompatError(f"there is no {_MODULE} in the environment of {python}")
    shutil.copytree(installed, shadow / _MODULE, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))


_CONTROLS: Mapping[str, Callable[[Path, Path], None]] = {
    "litellm_that_raises_type_error": _litellm_that_raises,
    FALLBACK_CONTROL: _without_compiled_module,
}
