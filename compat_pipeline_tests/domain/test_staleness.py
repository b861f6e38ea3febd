"""When a resolver is stuck: it finds what it found days ago, although newer versions exist."""

from __future__ import annotations

import pytest

from compat_pipeline.domain.staleness import stale


def test_the_newer_version_that_is_passed_over_is_named() -> None:
    assert stale("1.9.0", "1.9.0", lambda: "1.10.0") == "1.10.0"


@pytest.mark.parametrize("newest", ["1.10.0", "1.9.0"])
def test_a_version_that_is_the_newest_is_not_stale_however_old(newest: str) -> None:
    assert stale("1.10.0", "1.10.0", lambda: newest) == ""


def test_a_checkout_is_no_version_and_never_stale() -> None:
    assert stale("path:litellm", "path:litellm", lambda: "1.10.0") == ""


@pytest.mark.parametrize("then", [None, "1.8.0"])
def test_nobody_is_asked_while_the_version_still_changes(then: str | None) -> None:
    def asked() -> str:
        raise AssertionError("a request nobody needs")

    assert stale("1.9.0", then, asked) == ""
