"""What each cell took when it was last observed, as far as that is known."""

from __future__ import annotations

from pathlib import Path

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Consumption, Inconclusive
from compat_pipeline.history.store import History
from compat_pipeline_tests.history.samples import CELL, RUN, observation

OTHERS = {"litellm_version": "v1.0", "suite_revision": "old", "variant": "router", "run_id": "run-0"}


def calls(number: int) -> Consumption:
    return Consumption(calls=number, cost_usd=0.5)


def test_the_last_observation_counts_whatever_it_was_made_under(place: Path | str) -> None:
    history = History(place)
    history.append(RUN, [observation(0, consumption=calls(1))])
    history.append(RUN.model_copy(update=OTHERS), [observation(1, consumption=calls(2))])
    assert history.last_consumption() == {CELL: calls(2)}


def test_a_live_observation_counts_before_a_later_emulated_one(place: Path | str) -> None:
    history = History(place)
    history.append(RUN.model_copy(update={"upstream": "live"}), [observation(0, consumption=calls(1))])
    history.append(RUN, [observation(1, consumption=calls(2))])
    assert history.last_consumption() == {CELL: calls(1)}


def test_an_observation_that_took_nothing_that_is_known_hides_no_earlier_one(place: Path | str) -> None:
    history = History(place)
    not_run = Inconclusive(cause="account", error="no credit")
    history.append(RUN, [observation(0, consumption=calls(1)), observation(1, not_run, consumption=None)])
    history.append(RUN, [observation(2, feature="vision", consumption=None)])
    assert history.last_consumption() == {CELL: calls(1)}


def test_each_cell_has_its_own(place: Path | str) -> None:
    history = History(place)
    history.append(RUN, [observation(feature=feature, consumption=calls(len(feature))) for feature in ("a", "vision")])
    assert {cell.feature: taken.calls for cell, taken in history.last_consumption().items()} == {"a": 1, "vision": 6}
    assert Cell("vision", CELL.provider, CELL.model) in history.last_consumption()
