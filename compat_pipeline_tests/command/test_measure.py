"""What `compat bench` makes of what it measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from compat_pipeline.command import measure
from compat_pipeline.command.measure import Spent, compare
from compat_pipeline.domain.observation import Inconclusive, Observation
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline_tests.assets.conftest import LITELLM
from compat_pipeline_tests.assets.scripted_runtime import LocalIndex, LocalNpm, ScriptedProxy
from compat_pipeline_tests.history.samples import observation

SEEN: list[Observation] = [observation(), observation(1, Inconclusive(cause="account", error="no credit"))]
FIGURES = compare(SEEN, Spent(wall_s=12.0, cpu_s=10.0), Spent(wall_s=8.0, cpu_s=5.0), cli_cpu_s=6.0)


def test_cells_are_told_from_those_that_could_be_judged() -> None:
    assert (FIGURES["cells"], FIGURES["judged"]) == (2, 1)


def test_time_is_a_ratio_to_the_floor_s() -> None:
    assert (FIGURES["wall_s"], FIGURES["floor_wall_s"], FIGURES["wall_ratio"]) == (12.0, 8.0, 1.5)


def test_the_cli_s_cpu_is_not_the_pipeline_s() -> None:
    assert (FIGURES["pipeline_cpu_per_cell_s"], FIGURES["floor_cpu_per_cell_s"]) == (2.0, 2.5)
    assert FIGURES["cpu_ratio"] == 0.8


class Started(Exception):
    """The job was started with this configuration."""


class OneCheckout(LocalIndex):
    def resolve(self, request: str) -> LitellmRelease:  # noqa: ARG002
        return LITELLM.model_copy(update={"source": "path", "policy": "path:/some/checkout"})


def test_the_job_runs_the_checkout_whose_proxy_is_up(scripted_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(_job: str, config: dict[str, Any], *_: object) -> NoReturn:
        raise Started(config["ops"]["litellm_release"]["config"]["version"])

    for name, stand_in in {"PythonIndex": OneCheckout, "NpmRegistry": LocalNpm, "ProxyRuntime": ScriptedProxy}.items():
        monkeypatch.setattr(measure, name, stand_in)
    monkeypatch.setattr(measure, "execute", started)
    with pytest.raises(Started, match="path:/some/checkout"):
        measure.measure(scripted_home / "figures.json")
