"""Known issues of environments: each must match something broken, and tells for which versions it was seen."""

from __future__ import annotations

from datetime import date

import pytest

from compat_pipeline.domain.environment_issues import (
    check_environment_issues,
    interval,
    new_troubles,
    parse_environment_issues,
    signatures,
)
from compat_pipeline.domain.environment_matrix import build_environment_matrix
from compat_pipeline.domain.environment_rows import EnvironmentRow
from compat_pipeline.domain.environment_verdict import EnvironmentObservation
from compat_pipeline.domain.manifest import ManifestError
from compat_pipeline_tests.domain.environments import (
    HYBRID,
    ISSUES,
    MANIFEST,
    NOW,
    cell,
    everything,
    observed,
    planned,
)

TODAY = NOW.date()


def rows(*seen: EnvironmentObservation) -> tuple[EnvironmentRow, ...]:
    return build_environment_matrix(MANIFEST, planned(), seen, ISSUES, NOW).environments


def known(*seen: EnvironmentObservation) -> list[EnvironmentRow]:
    """Only what was observed."""
    return [row for row in rows(*seen) if row.observed_at]


def test_an_issue_is_told_with_the_versions_it_was_seen_with_and_the_last_good_one() -> None:
    found = interval(ISSUES[0], rows(*everything()))
    assert found is not None
    assert (found.first, found.last, found.last_good, found.pythons) == ("1.106.2", "1.106.2", "1.96.2", ("3.11",))
    assert signatures(ISSUES[0], rows(*everything())) == (
        f"router: {HYBRID}",
        f"messages: the proxy answered 500: {HYBRID}",
    )


def test_an_issue_that_nothing_shows_any_more_must_go() -> None:
    sound = [observed(cell(runtime="stock")), observed(cell(), counts={"text": 8, "tools": 84})]
    (wrong,) = check_environment_issues(ISSUES[:1], known(*sound), TODAY)
    assert wrong == "'hybrid' matches no broken environment: remove it, see https://example.org/hybrid"


def test_an_issue_that_may_be_seen_where_nothing_is_known_stays() -> None:
    out = observed(cell(), unclear={"install": "disk full"})
    assert check_environment_issues(ISSUES[:1], known(out), TODAY) == []


def test_an_expired_issue_counts_no_more() -> None:
    late = date(2027, 4, 1)
    assert check_environment_issues(ISSUES[:1], rows(*everything()), late) == [
        "'hybrid' expired on 2027-03-31: renew or remove it, see https://example.org/hybrid"
    ]


def test_a_broken_environment_without_an_issue_is_new() -> None:
    strange = observed(cell(), failed={"router": "ZeroDivisionError: division by zero"})
    assert new_troubles(known(strange)) == ["3.11|1.96.2@fast-litellm==latest"]
    assert new_troubles(known(observed(cell(), failed={"router": HYBRID}))) == []


def test_another_stage_or_other_words_are_another_trouble() -> None:
    (row,) = known(observed(cell(), failed={"claude_cli": HYBRID}))
    assert not ISSUES[0].explains(row)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("words: '['", "no regular expression"),
        ("link: somewhere", "link"),
        ("stages: [boot]", "stages"),
        ("expires: 2027-02-30", r"issues\.yaml is not YAML: day is out of range for month"),
    ],
)
def test_a_wrong_entry_is_named(entry: str, told: str) -> None:
    good = {
        "id": "id: a",
        "title": "title: a",
        "cells": 'cells: "*"',
        "stages": "stages: [router]",
        "words": "words: a",
        "workaround": "workaround: a",
        "link": "link: https://example.org",
        "expires": "expires: 2027-01-01",
    }
    text = "\n    ".join({**good, entry.partition(":")[0]: entry}.values())
    with pytest.raises(ManifestError, match=told):
        parse_environment_issues(f"issues:\n  - {text}", "issues.yaml")
