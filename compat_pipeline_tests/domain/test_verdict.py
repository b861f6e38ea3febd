"""A verdict follows the latest conclusive observation, and inconclusive ones never move it."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from compat_pipeline.domain.observation import Inconclusive, Observation, Outcome
from compat_pipeline.domain.verdict import judge
from compat_pipeline_tests.domain.samples import FAIL, NOON, NOT_APPLICABLE, OVERLOADED, PASS, observe

OUTCOMES: list[Outcome] = [PASS, FAIL, NOT_APPLICABLE, OVERLOADED]


@st.composite
def histories(draw: st.DrawFn) -> list[Observation]:
    """Observations of one cell at distinct times."""
    outcomes = draw(st.lists(st.sampled_from(OUTCOMES), max_size=6))
    return [observe(outcome, minute) for minute, outcome in enumerate(outcomes)]


def test_a_cell_that_was_never_observed_is_unjudged_without_a_time() -> None:
    verdict = judge([])
    assert (verdict.status, verdict.observed_at, verdict.attempts) == ("unjudged", None, 0)


def test_the_latest_conclusive_observation_decides() -> None:
    verdict = judge([observe(PASS, 0), observe(FAIL, 1)])
    assert (verdict.status, verdict.cause, verdict.explanation) == ("fail", "gateway", "the tool input arrived empty")


def test_an_inconclusive_observation_leaves_the_last_verdict_and_its_age() -> None:
    verdict = judge([observe(PASS, 0, attempts=2), observe(OVERLOADED, 30)])
    assert (verdict.status, verdict.observed_at, verdict.attempts, verdict.cause) == ("pass", NOON, 2, None)


def test_a_verdict_leads_to_the_evidence_of_both_the_deciding_and_the_open_observation() -> None:
    decided = observe(FAIL, 0).model_copy(update={"evidence": "a1", "findings": ("the turn was sent twice",)})
    left_open = observe(OVERLOADED, 30).model_copy(update={"evidence": "b2", "findings": ("overloaded",)})
    verdict = judge([decided, left_open])
    assert (verdict.evidence, verdict.findings) == ("a1", ("the turn was sent twice",))
    assert (verdict.open, verdict.open_cause, verdict.open_evidence) == ("provider: 529 Overloaded", "provider", "b2")


def test_a_conclusive_observation_closes_what_was_open() -> None:
    verdict = judge([observe(OVERLOADED, 0).model_copy(update={"evidence": "b2"}), observe(PASS, 1)])
    assert (verdict.open, verdict.open_cause, verdict.open_evidence) == (None, None, None)


def test_only_inconclusive_observations_leave_the_cell_unjudged_with_the_latest_cause() -> None:
    latest = Inconclusive(cause="account", error="Credit balance is too low")
    verdict = judge([observe(OVERLOADED, 0), observe(latest, 1)])
    assert (verdict.status, verdict.cause, verdict.explanation) == ("unjudged", "account", latest.error)
    assert verdict.observed_at == NOON + timedelta(minutes=1)


def test_a_cell_that_both_passed_and_failed_is_flaky_whichever_came_last() -> None:
    assert judge([observe(FAIL, 0), observe(PASS, 1)]).flaky
    assert judge([observe(PASS, 0), observe(FAIL, 1)]).flaky


def test_a_cell_that_failed_twice_or_was_interrupted_is_not_flaky() -> None:
    assert not judge([observe(FAIL, 0), observe(OVERLOADED, 1), observe(FAIL, 2)]).flaky
    assert not judge([observe(PASS, 0), observe(NOT_APPLICABLE, 1)]).flaky


def test_not_applicable_keeps_its_reason() -> None:
    assert judge([observe(NOT_APPLICABLE)]).explanation == "Azure has no tools"


@given(histories(), st.randoms())
def test_the_order_in_which_observations_are_given_does_not_matter(seen: list[Observation], random: Random) -> None:
    shuffled = list(seen)
    random.shuffle(shuffled)
    assert judge(shuffled) == judge(seen)


@given(histories())
def test_a_verdict_without_its_inconclusive_observations_has_the_same_status(seen: list[Observation]) -> None:
    conclusive = [observation for observation in seen if observation.outcome.status != "inconclusive"]
    assert judge(seen).status == judge(conclusive).status


@given(histories())
def test_a_fail_needs_an_observed_fail_and_a_pass_an_observed_pass(seen: list[Observation]) -> None:
    status = judge(seen).status
    assert status == "unjudged" or status in {observation.outcome.status for observation in seen}
