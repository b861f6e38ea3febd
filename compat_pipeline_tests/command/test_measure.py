"""What `compat bench` makes of what it measured."""

from __future__ import annotations

from compat_pipeline.command.measure import Spent, compare
from compat_pipeline.domain.observation import Inconclusive, Observation
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
