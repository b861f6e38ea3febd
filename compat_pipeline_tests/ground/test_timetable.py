"""The settings of what is due when."""

from __future__ import annotations

import pytest

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.timetable import Timetable


def test_nothing_set_is_five_in_the_morning_utc_and_a_week() -> None:
    assert Timetable.from_env({}) == Timetable(hour=5, zone="UTC", stale_days=7)


def test_what_is_set_counts() -> None:
    settings = {"COMPAT_SCHEDULE_HOUR": "0", "COMPAT_TIME_ZONE": "Europe/Berlin", "COMPAT_STALE_DAYS": "0.5"}
    assert Timetable.from_env(settings) == Timetable(hour=0, zone="Europe/Berlin", stale_days=0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("COMPAT_SCHEDULE_HOUR", value) for value in ("24", "-1", "5.5", "noon", "٥", " 5 ")),
        *(("COMPAT_TIME_ZONE", value) for value in ("Mars/Olympus", "../../etc/passwd", "/etc", "Europe", "\0")),
        *(("COMPAT_STALE_DAYS", value) for value in ("0", "-1", "nan", "inf", "a week")),
    ],
)
def test_what_makes_no_sense_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(CompatError) as caught:
        Timetable.from_env({name: value})
    assert str(caught.value).startswith(f"{name} is '{value}'")
