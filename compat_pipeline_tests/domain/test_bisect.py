"""Bisection: it ends at the boundary, in as few trials as halving takes, whatever cannot be judged."""

from __future__ import annotations

from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat_pipeline.domain.bisect import Tried, ends, next_to_try


@given(st.integers(2, 200).flatmap(lambda count: st.tuples(st.just(count), st.integers(1, count - 1))))
def test_the_boundary_is_found_in_the_trials_that_halving_takes(case: tuple[int, int]) -> None:
    count, first_bad = case
    versions = [f"1.{number}.0" for number in range(count)]
    tried: dict[str, Tried] = {versions[0]: "good", versions[-1]: "bad"}
    trials = 0
    while version := next_to_try(versions, tried):
        tried[version] = "bad" if versions.index(version) >= first_bad else "good"
        trials += 1
    assert ends(versions, tried) == (first_bad - 1, first_bad)
    assert trials <= ceil(log2(max(count - 1, 1)))


@given(st.lists(st.sampled_from(["good", "bad", "skipped"]), min_size=0, max_size=20))
def test_what_cannot_be_judged_is_passed_over_and_the_search_ends(middle: list[Tried]) -> None:
    versions = [str(number) for number in range(len(middle) + 2)]
    real: list[Tried] = ["good", *middle, "bad"]
    tried: dict[str, Tried] = {versions[0]: "good", versions[-1]: "bad"}
    while version := next_to_try(versions, tried):
        assert version not in tried
        tried[version] = real[int(version)]
    good, bad = ends(versions, tried)
    assert all(tried[one] == "skipped" for one in versions[good + 1 : bad])


def test_without_a_good_version_before_a_bad_one_there_is_nothing_to_halve() -> None:
    with pytest.raises(ValueError, match="no good version before a bad one"):
        next_to_try(["1", "2"], {"1": "bad", "2": "good"})
