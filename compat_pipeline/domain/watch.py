"""What a release sensor remembers between its ticks, and when it asks a registry that is down again. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import AwareDatetime

from compat_pipeline.domain.memory import SensorMemory

_FIRST_PAUSE = timedelta(minutes=10)
_LONGEST_PAUSE = timedelta(hours=6)


class Watch(SensorMemory):
    """The version seen last; how often in a row the registry then gave no answer, and until when it is left alone.

    To start anew repeats nothing: a version's run is made once anyway.
    """

    version: str | None = None
    failures: int = 0
    not_before: AwareDatetime | None = None

    def rests(self, now: datetime) -> bool:
        """Whether the registry is left alone at `now`. A clock that was set back does not make that longer."""
        return self.not_before is not None and now < self.not_before <= now + _LONGEST_PAUSE

    def seen(self, version: str) -> Watch:
        return Watch(version=version)

    def unanswered(self, now: datetime) -> Watch:
        """After one more failure: the pause doubles, from ten minutes to six hours."""
        pause = min(_FIRST_PAUSE * 2 ** min(self.failures, 10), _LONGEST_PAUSE)
        return Watch(version=self.version, failures=self.failures + 1, not_before=now + pause)
