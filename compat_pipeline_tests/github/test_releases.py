"""LiteLLM's releases from GitHub's stand-in: every page, in whatever state, and no request too many."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.github import GITHUB_API, GithubRefused, GithubSite, Token
from compat_pipeline.proxy.github_releases import REPOSITORY, GithubReleases
from compat_pipeline.proxy.release import LitellmRelease, resolve_litellm
from compat_pipeline.resources.registries import PythonIndex, litellm_releases
from compat_pipeline_tests.github.samples import TOKEN
from compat_pipeline_tests.github.stand_in import GithubStandIn, somebody_else
from compat_pipeline_tests.pins import LITELLM
from compat_pipeline_tests.proxy.registry import image_registry

NOTED, DIGEST = f"sha256:{'ab' * 32}", f"sha256:{'cd' * 32}"
DIGEST_IN_NOTES = f"docker pull ghcr.io/berriai/litellm:v1.110.0@{NOTED}\n"
LIST = f"GET /repos/{REPOSITORY}/releases"


@pytest.fixture
def releases(github: GithubStandIn, tmp_path: Path) -> GithubReleases:
    """A list with both tag schemes, old minors patched last, and much that is no release."""
    github.add_repository(REPOSITORY)
    for tag in ("v1.83.0-stable", "v1.83.3-stable.patch.1", "v1.98.9", "v1.106.2", "v1.98.10", "v1.83.14-stable"):
        github.publish_release(REPOSITORY, tag, published_at="2026-06-01T10:00:00Z")
    for tag in ("v1.108.0-nightly", "v1.108.0.rc.1", "litellm-helm-1.109.0", "v1.107.4"):
        github.publish_release(REPOSITORY, tag)
    github.publish_release(REPOSITORY, "v1.109.0", draft=True, published_at=None)
    github.publish_release(REPOSITORY, "v1.109.1", prerelease=True)
    return looking(github, tmp_path)


def looking(github: GithubStandIn, cache: Path, token: str = "") -> GithubReleases:
    return GithubReleases(GithubSite(github.url, pause_s=0.001), Token(token) if token else None, cache)


@pytest.mark.parametrize(
    ("request_", "tag"),
    [
        ("latest", "v1.106.2"),
        ("1.98", "v1.98.10"),
        ("v1.83", "v1.83.14-stable"),
        ("1.98.9", "v1.98.9"),
        ("v1.83.0", "v1.83.0-stable"),
    ],
)
def test_a_request_means_a_final_release_that_is_not_denied(request_: str, tag: str, releases: GithubReleases) -> None:
    assert releases.pick(request_).tag == tag


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ("1.99", r"no final LiteLLM release of 1\.99 to choose from, says GitHub"),
        ("1.2.3", r"GitHub has no release of LiteLLM 1\.2\.3"),
        ("1.109.0", r"GitHub has no release of LiteLLM 1\.109\.0"),
        ("newest", "'newest' is not a final LiteLLM release tag"),
    ],
)
def test_a_request_that_means_none_is_refused_by_name(request_: str, said: str, releases: GithubReleases) -> None:
    with pytest.raises(CompatError, match=said):
        releases.pick(request_)


@pytest.mark.parametrize("order", [("v1.110.0", "v1.110.0-stable"), ("v1.110.0-stable", "v1.110.0")])
def test_of_two_releases_of_one_version_the_stable_one_counts(
    order: tuple[str, str], github: GithubStandIn, releases: GithubReleases
) -> None:
    for tag in order:
        github.publish_release(REPOSITORY, tag)
    assert releases.pick("latest").tag == releases.pick("v1.110.0").tag == "v1.110.0-stable"


def test_who_may_see_drafts_takes_none(github: GithubStandIn, releases: GithubReleases, tmp_path: Path) -> None:
    assert releases.pick("latest").tag == "v1.106.2"
    github.add_token(TOKEN, REPOSITORY)
    assert looking(github, tmp_path / "own", TOKEN).pick("latest").tag == "v1.106.2"


def test_the_digest_of_the_image_is_told_where_the_notes_name_it(
    github: GithubStandIn, releases: GithubReleases
) -> None:
    github.publish_release(REPOSITORY, "v1.110.0", body=DIGEST_IN_NOTES)
    assert releases.pick("latest").image_digest == NOTED
    assert releases.pick("1.98").image_digest is None


def many(github: GithubStandIn, number: int) -> None:
    """`number` nightlies on top of what is there."""
    for day in range(number):
        github.publish_release(REPOSITORY, f"v1.108.{day}-nightly")


def test_every_page_is_read(github: GithubStandIn, releases: GithubReleases) -> None:
    many(github, 350)
    assert releases.pick("latest").tag == "v1.106.2"
    assert github.calls[LIST] == 4


def test_a_release_published_between_two_pages_loses_none_and_is_seen_the_next_time(
    github: GithubStandIn, releases: GithubReleases, tmp_path: Path
) -> None:
    many(github, 150)
    pages = iter(range(2))

    def meanwhile() -> None:
        if next(pages, None) == 1:
            github.publish_release(REPOSITORY, "v1.111.0")

    github.before("GET", "/releases", meanwhile)
    github.before("GET", "/releases", meanwhile)
    seen = [release.tag for release in releases.all()]
    assert sorted(seen) == sorted(set(seen))
    assert {"v1.106.2", "v1.83.0-stable"} <= set(seen)
    assert looking(github, tmp_path).pick("latest").tag == "v1.111.0"


@pytest.mark.usefixtures("releases")
def test_what_did_not_change_is_not_paid_for_again(github: GithubStandIn, tmp_path: Path) -> None:
    many(github, 250)
    github.add_token(TOKEN, REPOSITORY)
    looking(github, tmp_path, TOKEN).all()
    left = github.remaining
    assert looking(github, tmp_path, TOKEN).pick("latest").tag == "v1.106.2"
    assert github.remaining == left
    github.repositories[REPOSITORY.lower()].releases[-1]["draft"] = True
    assert "v1.83.0-stable" not in [release.tag for release in looking(github, tmp_path, TOKEN).all()]
    assert github.remaining == left - 1


def test_who_has_no_token_asks_for_one_page_as_long_as_that_does_not_change(
    github: GithubStandIn, releases: GithubReleases, tmp_path: Path
) -> None:
    many(github, 250)
    releases.all()
    github.calls.clear()
    assert looking(github, tmp_path).all() == releases.all()
    assert github.calls[LIST] == 2
    github.publish_release(REPOSITORY, "v1.111.0")
    assert looking(github, tmp_path).pick("latest").tag == "v1.111.0"
    assert github.calls[LIST] == 5


@pytest.mark.parametrize("kept", ["", "{", '{"source": "elsewhere", "pages": []}', '{"pages": 7}'])
def test_a_damaged_memory_costs_a_look_and_nothing_else(
    kept: str, github: GithubStandIn, releases: GithubReleases, tmp_path: Path
) -> None:
    releases.all()
    (file,) = tmp_path.rglob("*-releases.json")
    file.write_text(kept)
    assert looking(github, tmp_path).pick("latest").tag == "v1.106.2"


def test_a_page_that_fails_for_a_moment_is_asked_for_again(github: GithubStandIn, releases: GithubReleases) -> None:
    github.trouble(502, path="/releases")
    github.trouble(429, path="/releases", message="slow down", headers={"retry-after": "0"})
    assert releases.pick("latest").tag == "v1.106.2"


def test_a_limit_that_is_used_up_is_told_at_once_with_its_end(github: GithubStandIn, releases: GithubReleases) -> None:
    github.remaining = 0
    github.reset_at = time.time() + 1800
    with pytest.raises(CompatError, match=r"used up until \d\d:\d\d UTC\n  next: wait, or set COMPAT_GITHUB_TOKEN"):
        releases.pick("latest")
    assert github.calls[LIST] == 1


def test_a_token_is_used_where_it_is_given_and_a_bad_one_told(github: GithubStandIn, tmp_path: Path) -> None:
    github.add_repository(REPOSITORY)
    github.publish_release(REPOSITORY, "v1.106.2")
    with pytest.raises(CompatError, match=r"GitHub refused the credentials \(Bad credentials\)"):
        looking(github, tmp_path, TOKEN).all()
    github.add_token(TOKEN)
    assert looking(github, tmp_path, TOKEN).pick("latest").tag == "v1.106.2"


def test_a_repository_that_was_renamed_is_told(github: GithubStandIn, releases: GithubReleases) -> None:
    github.rename(REPOSITORY, "BerriAI/gateway")
    with pytest.raises(CompatError, match=r"it was renamed to BerriAI/gateway"):
        releases.all()


def test_the_package_index_installs_what_github_names(
    github: GithubStandIn, releases: GithubReleases, shared_cache: Path, litellm_release: LitellmRelease
) -> None:
    github.publish_release(REPOSITORY, f"v{LITELLM}-stable", published_at="2026-11-01T00:00:00Z")
    found = resolve_litellm("latest", shared_cache, Path(sys.executable), releases)
    assert (found.source, found.tag, found.version) == ("github", f"v{LITELLM}-stable", LITELLM)
    assert (found.lock, found.digest) == (litellm_release.lock, litellm_release.digest)
    assert found.published_at is not None


@pytest.mark.parametrize(
    ("notes", "in_registry", "told"),
    [
        (DIGEST_IN_NOTES, {f"v{LITELLM}": DIGEST}, NOTED),
        ("", {f"v{LITELLM}": DIGEST}, DIGEST),
        ("", {}, None),
    ],
    ids=["noted", "registered", "unknown"],
)
def test_the_digest_of_the_image_is_the_noted_one_or_else_its_registry_s(
    notes: str,
    in_registry: dict[str, str],
    told: str | None,
    github: GithubStandIn,
    shared_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    github.add_repository(REPOSITORY)
    github.publish_release(REPOSITORY, f"v{LITELLM}", body=notes)
    with image_registry() as registry:
        registry.images = {f"own/image:{tag}": digest for tag, digest in in_registry.items()}
        settings = {"SOURCE": "github", "VERSION": "latest", "IMAGE": f"{registry.host}/own/image"}
        for name, value in settings.items():
            monkeypatch.setenv(f"COMPAT_LITELLM_{name}", value)
        monkeypatch.setenv("COMPAT_GITHUB_API", github.url)
        monkeypatch.setenv("COMPAT_CACHE", str(shared_cache))
        assert PythonIndex().resolve("").image_digest == told
    assert ("own/image has no image" in caplog.text) == (told is None)


def test_a_denied_release_is_not_installed_whoever_lists_it(releases: GithubReleases, tmp_path: Path) -> None:
    with pytest.raises(CompatError, match=r"LiteLLM 1\.107\.4 must not be installed: withdrawn"):
        resolve_litellm("1.107.4", tmp_path, Path(sys.executable), releases)


def test_the_source_is_chosen_by_name(tmp_path: Path) -> None:
    assert litellm_releases({}, tmp_path) is None
    assert litellm_releases({"COMPAT_LITELLM_SOURCE": "github"}, tmp_path) is not None
    with pytest.raises(CompatError, match="COMPAT_LITELLM_SOURCE cannot be 'pypi'"):
        litellm_releases({"COMPAT_LITELLM_SOURCE": "pypi"}, tmp_path)
    with pytest.raises(CompatError, match="malformed"):
        litellm_releases({"COMPAT_LITELLM_SOURCE": "github", "COMPAT_GITHUB_TOKEN": "two words"}, tmp_path)


def test_credentials_go_out_unencrypted_to_nobody() -> None:
    assert GithubSite.from_env({}).api == GITHUB_API
    assert GithubSite.from_env({"COMPAT_GITHUB_API": "http://127.0.0.1:8080/"}).api == "http://127.0.0.1:8080"
    for api in ("http://github.example.com/api/v3", "ftp://x", "github.com"):
        with pytest.raises(CompatError, match="is not the https address of a GitHub API"):
            GithubSite.from_env({"COMPAT_GITHUB_API": api})


@pytest.mark.parametrize("api", ["https://[x", "https://", "https://host:abc", "https://host:99999"])
def test_an_address_that_is_none_is_refused_by_the_name_of_its_setting(api: str) -> None:
    with pytest.raises(WrongUsage, match="COMPAT_GITHUB_API is not the https address of a GitHub API"):
        GithubSite.from_env({"COMPAT_GITHUB_API": api})


@pytest.mark.parametrize("answer", ["<html>Please log in</html>", "[1]"])
def test_an_answer_that_is_no_list_of_releases_is_told(answer: str, tmp_path: Path) -> None:
    with somebody_else(answer) as address, pytest.raises(GithubRefused, match="GitHub's answer makes no sense"):
        GithubReleases(GithubSite(address), None, tmp_path).all()
