"""Bisection over versions: which one to try next, and which is the first bad one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from compat_pipeline.domain.environment_cell import EnvironmentPart

Tried = Literal["good", "bad", "skipped"]
"""`skipped`: it could not be judged, such as a version that does not install."""


class Boundary(EnvironmentPart):
    """Between two versions that were tried: the last good one and the first bad one, and how that one fails.

    `unknown` are the versions between them that could not be judged. `probes` is how many versions were run.
    """

    last_good: str
    first_bad: str
    signature: str
    unknown: tuple[str, ...] = ()
    probes: int


def next_to_try(versions: Sequence[str], tried: Mapping[str, Tried]) -> str | None:
    """The version whose trial halves what is open; None when nothing is.

    `versions` are in order and hold a good one before a bad one: the last good one and the first bad one after it are
    the ends. What could not be judged is passed over for its nearest neighbour.
    """
    low, high = ends(versions, tried)
    middle = (low + high) / 2
    open_ones = [index for index in range(low + 1, high) if versions[index] not in tried]
    return versions[min(open_ones, key=lambda index: abs(index - middle))] if open_ones else None


def ends(versions: Sequence[str], tried: Mapping[str, Tried]) -> tuple[int, int]:
    """The places of the last good version before the first bad one, and of that one; raises ValueError without them."""
    bad = next((place for place, one in enumerate(versions) if tried.get(one) == "bad"), None)
    good = [place for place, one in enumerate(versions[:bad]) if tried.get(one) == "good"]
    if bad is None or not good:
        raise ValueError("there is no good version before a bad one")
    return good[-1], bad
