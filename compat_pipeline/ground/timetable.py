"""When things are due: the daily refresh, and when a version that never changes is stale."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from compat_pipeline.ground.amount import amount
from compat_pipeline.ground.errors import WrongUsage

HOUR, ZONE, STALE_DAYS = "COMPAT_SCHEDULE_HOUR", "COMPAT_TIME_ZONE", "COMPAT_STALE_DAYS"
_LAST_HOUR = 23


@dataclass(frozen=True)
class Timetable:
    """The full `hour` (0 to 23) of `zone` (an IANA name) at which the daily refresh starts; `stale_days` as said."""

    hour: int = 5
    zone: str = "UTC"
    stale_days: float = 7.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Timetable:
        """As the settings say; WrongUsage names the one that makes no sense."""
        return cls(
            hour=_hour(environ.get(HOUR) or str(cls.hour)),
            zone=_zone(environ.get(ZONE) or cls.zone),
            stale_days=amount(environ, STALE_DAYS, "days") or cls.stale_days,
        )


def _hour(asked: str) -> int:
    if asked.isascii() and asked.isdigit() and int(asked) <= _LAST_HOUR:
        return int(asked)
    raise WrongUsage(f"{HOUR} is '{asked}', which is no hour of a day", "set it to a full hour, 0 to 23")


def _zone(asked: str) -> str:
    try:
        ZoneInfo(asked)
    except (ValueError, OSError, KeyError) as error:  # a name with slashes or dots can also be a path that is none
        raise WrongUsage(
            f"{ZONE} is '{asked}', which is no time zone", "set it to a name such as Europe/Berlin or UTC"
        ) from error
    return asked
