"""Passing trouble is tried again within a budget; what costs money or would hide a fault is not."""

from __future__ import annotations

import pytest

from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome
from compat_pipeline.domain.retries import LONGEST_PAUSE_S, MOST_ATTEMPTS, pause_before_retry

OVERLOADED = Inconclusive(cause="provider", error="Overloaded")


def pause(outcome: Outcome, attempts: int = 1, timed_out: bool = False, retry_after_s: float | None = None) -> object:
    return pause_before_retry(outcome, attempts, timed_out=timed_out, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    "trouble", [OVERLOADED, Inconclusive(cause="environment", error="connection reset")], ids=lambda one: one.cause
)
def test_passing_trouble_is_tried_again_after_a_growing_pause(trouble: Outcome) -> None:
    pauses = [pause(trouble, attempts) for attempts in range(1, MOST_ATTEMPTS)]
    assert pauses == [0.5, 1.0]


def test_the_budget_ends() -> None:
    assert pause(OVERLOADED, MOST_ATTEMPTS) is None


def test_the_pause_that_the_answer_asks_for_is_kept() -> None:
    assert pause(OVERLOADED, retry_after_s=7) == 7


def test_a_pause_beyond_the_budget_is_not_waited_for() -> None:
    assert pause(OVERLOADED, retry_after_s=LONGEST_PAUSE_S + 1) is None


@pytest.mark.parametrize(
    "trouble",
    [
        Inconclusive(cause="account", error="Your credit balance is too low"),
        Inconclusive(cause="harness", error="the test broke"),
        Inconclusive(cause="model_behaviour", error="the model did not think"),
    ],
    ids=lambda one: one.cause,
)
def test_what_would_only_cost_more_is_not_tried_again(trouble: Outcome) -> None:
    assert pause(trouble) is None


def test_a_product_fault_is_not_hidden_by_a_second_try() -> None:
    assert pause(Fail(error="x")) is None


def test_a_call_that_used_up_its_time_gets_no_more() -> None:
    assert pause(Inconclusive(cause="environment", error="no end after 120 s"), timed_out=True) is None
