"""What a release sensor remembers, and how it leaves a registry alone that is down."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compat_pipeline.domain.watch import Watch
from compat_pipeline_tests.domain.samples import NOON


def test_a_registry_that_is_down_is_asked_less_and_less_often() -> None:
    watch, pauses = Watch(version="1.0.0"), []
    for _ in range(8):
        watch = watch.unanswered(NOON)
        assert watch.not_before is not None
        pauses.append(round((watch.not_before - NOON) / timedelta(minutes=1)))
    assert pauses == [10, 20, 40, 80, 160, 320, 360, 360]
    assert (watch.version, watch.failures) == ("1.0.0", 8)


def test_the_first_answer_ends_the_pauses() -> None:
    watch = Watch(version="1.0.0").unanswered(NOON).seen("1.0.0")
    assert not watch.rests(NOON)
    assert watch == Watch(version="1.0.0")


def test_a_pause_ends_when_it_is_over() -> None:
    watch = Watch().unanswered(NOON)
    assert watch.rests(NOON + timedelta(minutes=9))
    assert not watch.rests(NOON + timedelta(minutes=10))


def test_a_clock_that_was_set_back_does_not_silence_the_sensor() -> None:
    assert not Watch().unanswered(NOON).rests(NOON - timedelta(days=400))


def test_it_survives_in_a_cursor() -> None:
    watch = Watch(version="1.0.0").unanswered(NOON)
    assert Watch.parse(watch.dump()) == watch


@pytest.mark.parametrize("cursor", [None, "", "1.0.0", "[]", '{"version": 3}', "{"])
def test_a_cursor_that_is_none_starts_anew(cursor: str | None) -> None:
    assert Watch.parse(cursor) == Watch()
