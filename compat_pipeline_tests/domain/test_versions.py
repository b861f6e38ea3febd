"""Version policy: what may be tested, whatever order and noise an index offers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from compat_pipeline.domain.versions import (
    DENIED_LITELLM,
    NoSuchVersion,
    claude_code_candidates,
    denied_litellm_constraints,
    is_denied_litellm,
    is_final_tag,
    litellm_minor,
    litellm_tag,
    newest_litellm,
    parse_litellm_tag,
    pick_claude_code,
    published_at,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize("tag", ["v1.80.5-stable", "v1.80.5", "1.80.5"])
def test_both_tag_schemes_name_the_same_version(tag: str) -> None:
    assert is_final_tag(tag)
    assert parse_litellm_tag(tag) == Version("1.80.5")


@pytest.mark.parametrize(
    "tag", ["v1.80.5-nightly", "v1.80.5-rc.1", "v1.80.5.dev1", "v1.80.5rc1", "v1.80", "litellm-helm-1.80.5", ""]
)
def test_anything_but_a_final_tag_is_refused_by_name(tag: str) -> None:
    assert not is_final_tag(tag)
    with pytest.raises(ValueError, match=f"'{tag}' is not a final LiteLLM release tag"):
        parse_litellm_tag(tag)


def test_a_version_becomes_a_full_tag_and_a_tag_stays_one() -> None:
    assert litellm_tag("1.106.2") == "v1.106.2"
    assert litellm_tag("v1.83.0-stable") == "v1.83.0-stable"
    with pytest.raises(ValueError, match=r"1\.106\.2rc1"):
        litellm_tag("1.106.2rc1")


def test_the_newest_litellm_is_the_highest_final_version_of_either_scheme() -> None:
    assert (
        newest_litellm(["v1.99.9-stable", "v1.106.2", "v1.106.10-rc.1", "v1.105.11", "v1.108.0-nightly"]) == "1.106.2"
    )
    assert newest_litellm(["v1.106.2", "v1.106.3-stable"]) == "1.106.3"


def test_the_newest_patch_of_a_minor_is_found_among_all_others() -> None:
    tags = ["v1.98.9-stable", "v1.98.10", "v1.98.11-rc.1", "v1.99.0", "v1.9.80"]
    assert newest_litellm(tags, "1.98") == "1.98.10"
    with pytest.raises(NoSuchVersion, match=r"no final LiteLLM release of 1\.97"):
        newest_litellm(tags, "1.97")


@pytest.mark.parametrize(
    ("request_", "minor"), [("1.98", "1.98"), ("v1.98", "1.98"), ("1.98.1", None), ("latest", None)]
)
def test_a_request_of_two_numbers_is_for_a_minor(request_: str, minor: str | None) -> None:
    assert litellm_minor(request_) == minor


def test_the_newest_litellm_is_never_a_denied_one() -> None:
    assert newest_litellm(["v1.107.4", "v1.106.2", "v1.82.8-stable"]) == "1.106.2"
    with pytest.raises(NoSuchVersion):
        newest_litellm(["v1.107.0"])


@pytest.mark.parametrize("version", ["1.82.7", "1.82.8", "1.107.0", "1.107.12", "1.107.0rc1"])
def test_withdrawn_litellm_versions_are_denied(version: str) -> None:
    assert is_denied_litellm(version)


@pytest.mark.parametrize("version", ["1.82.6", "1.82.9", "1.106.2", "1.10.7", "1.108.0"])
def test_their_neighbours_are_not_denied(version: str) -> None:
    assert not is_denied_litellm(version)


def test_the_constraints_refuse_exactly_what_the_deny_list_refuses() -> None:
    requirements = [Requirement(line) for line in denied_litellm_constraints()]
    assert len(requirements) == len(DENIED_LITELLM)
    assert {requirement.name for requirement in requirements} == {"litellm"}
    for version in ("1.82.7", "1.107.3", "1.106.2", "1.82.9"):
        refused = not all(requirement.specifier.contains(version) for requirement in requirements)
        assert refused == is_denied_litellm(version)


def document(latest: str | None = "2.1.99", more: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    versions: dict[str, Any] = {"2.1.100": {}, "2.1.9": {}, "2.1.99": {}, "2.2.0-beta.1": {}, **more}
    return {
        "dist-tags": {"latest": latest} if latest else {},
        "versions": versions,
        "time": {
            "created": "2025-01-01T00:00:00.000Z",
            "2.1.9": "2026-11-20T00:00:00.000Z",
            "2.1.99": "2026-11-10T00:00:00+00:00",
            "2.1.100": "2026-11-19T00:00:00.000Z",
            "2.1.101": "2026-11-01T00:00:00.000Z",
        },
    }


def test_candidates_come_in_semver_order_without_prereleases_and_unpublished_ones() -> None:
    assert claude_code_candidates(document()) == ["2.1.9", "2.1.99", "2.1.100"]


def test_a_deprecated_version_is_no_candidate() -> None:
    assert claude_code_candidates(document(more={"2.1.99": {"deprecated": "broken"}})) == ["2.1.9", "2.1.100"]


def test_latest_is_what_the_publisher_promoted_even_if_newer_versions_exist() -> None:
    assert pick_claude_code(document(), "latest", NOW) == "2.1.99"


@pytest.mark.parametrize(("tag", "expected"), [("2.1.101", "2.1.100"), ("2.2.0-beta.1", "2.1.100"), (None, "2.1.100")])
def test_a_latest_tag_that_names_no_candidate_means_the_newest_one_below(tag: str | None, expected: str) -> None:
    assert pick_claude_code(document(tag), "latest", NOW) == expected


def test_any_other_tag_of_the_publisher_is_followed_like_latest() -> None:
    tagged = document()
    tagged["dist-tags"]["stable"] = "2.1.9"
    assert pick_claude_code(tagged, "stable", NOW) == "2.1.9"


def test_a_latest_tag_on_a_deprecated_version_is_not_followed() -> None:
    assert pick_claude_code(document(more={"2.1.99": {"deprecated": "broken"}}), "latest", NOW) == "2.1.9"


def test_a_latest_tag_that_is_no_version_is_an_error() -> None:
    with pytest.raises(NoSuchVersion, match="banana"):
        pick_claude_code(document("banana"), "latest", NOW)


def test_cooldown_is_the_highest_version_old_enough_not_the_most_recently_published() -> None:
    assert pick_claude_code(document(), "cooldown", NOW) == "2.1.99"


def test_a_version_without_a_publish_time_is_not_old_enough() -> None:
    assert pick_claude_code(document(more={"2.1.200": {}}), "cooldown", NOW) == "2.1.99"
    with pytest.raises(NoSuchVersion, match="cooldown"):
        pick_claude_code({"versions": {"2.1.0": {}}}, "cooldown", NOW)


def test_an_exact_version_is_taken_as_it_is_but_must_exist() -> None:
    assert pick_claude_code(document(), "2.2.0-beta.1", NOW) == "2.2.0-beta.1"
    with pytest.raises(NoSuchVersion, match=r"no Claude Code '2\.1\.101'; the newest is 2\.1\.100"):
        pick_claude_code(document(), "2.1.101", NOW)


def test_the_publish_time_is_read_in_both_spellings_of_utc() -> None:
    assert published_at(document(), "2.1.9") == datetime(2026, 11, 20, tzinfo=timezone.utc)
    assert published_at(document(), "2.1.99") == datetime(2026, 11, 10, tzinfo=timezone.utc)
    assert published_at(document(), "2.2.0-beta.1") is None


@pytest.mark.parametrize(
    ("stamp", "due"),
    [("2026-11-10T00:00:00", datetime(2026, 11, 10, tzinfo=timezone.utc)), ("yesterday", None), (7, None)],
)
def test_a_publish_time_without_a_zone_is_utc_and_one_that_is_no_time_is_none(
    stamp: object, due: datetime | None
) -> None:
    mirrored = document() | {"time": {"2.1.99": stamp}}
    assert published_at(mirrored, "2.1.99") == due
    assert pick_claude_code(mirrored, "latest", NOW)
