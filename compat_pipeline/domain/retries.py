"""When a call is tried again, and how long to wait before: by the cause of its fault, within a budget."""

from __future__ import annotations

from compat_pipeline.domain.observation import Inconclusive, Outcome

MOST_ATTEMPTS = 3
LONGEST_PAUSE_S = 15.0
_FIRST_PAUSE_S = 0.5
_PASSING_CAUSES = frozenset({"provider", "environment"})


def pause_before_retry(
    outcome: Outcome, attempts: int, *, timed_out: bool, retry_after_s: float | None
) -> float | None:
    """Seconds to wait before the next attempt after `attempts` that ended in `outcome`; None: do not try again.

    A provider's or the machine's passing trouble is tried again, after a growing pause or the one that the answer
    asked for (`retry-after`; none is worth more than 15 s). An account's never: it would only cost more. Nor is a
    product fault, which must not be hidden, or a call that used up its whole time.
    """
    passing = isinstance(outcome, Inconclusive) and outcome.cause in _PASSING_CAUSES
    if not passing or timed_out or attempts >= MOST_ATTEMPTS:
        return None
    pause_s = _FIRST_PAUSE_S * 2 ** (attempts - 1) if retry_after_s is None else retry_after_s
    return pause_s if pause_s <= LONGEST_PAUSE_S else None
