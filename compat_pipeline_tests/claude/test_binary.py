"""The cache of CLI binaries: verified before first use, whatever happens to the download or to the cache."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from compat_pipeline.claude.binary import ClaudeCli, ensure_cli, verify_cli
from compat_pipeline.claude.npm import Npm
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.shelf import forget_unused
from compat_pipeline_tests.claude.registry import PLATFORM, LoopbackRegistry, integrity, tarball

VERSION = "2.1.9"


class Shop:
    """A registry with one version of the CLI, its release, and a cache to fetch it into."""

    def __init__(self, registry: LoopbackRegistry, cache: Path, content: bytes | None = None) -> None:
        self.registry, self.cache = registry, cache
        self.npm = Npm(cache, registry.environment(str(cache)))
        self.release = ClaudeCodeRelease(
            version=VERSION,
            platform_package=PLATFORM,
            integrity=registry.publish(VERSION, content),
            published_at=None,
            policy="pinned",
        )

    def fetch(self, release: ClaudeCodeRelease | None = None) -> ClaudeCli:
        return ensure_cli(release or self.release, self.cache, self.npm)

    def cached(self) -> list[str]:
        """What the cache holds beside locks."""
        return sorted(path.name for path in (self.cache / "claude").iterdir() if path.suffix != ".lock")


@pytest.fixture
def shop(registry: LoopbackRegistry, tmp_path: Path) -> Shop:
    return Shop(registry, tmp_path / "cache")


def test_a_fetched_binary_runs_and_reports_its_version(shop: Shop) -> None:
    cli = shop.fetch()
    assert cli.reported_version == f"{VERSION} (Claude Code)"
    assert os.access(cli.path, os.X_OK)
    assert verify_cli(cli)


def test_the_second_time_nothing_is_downloaded(shop: Shop) -> None:
    assert shop.fetch() == shop.fetch()
    assert shop.registry.downloads == 1


def test_a_binary_counts_as_used_each_time_it_is_asked_for(shop: Shop) -> None:
    folder = shop.fetch().path.parent
    for asked in (True, False):
        os.utime(folder.with_name(f"{folder.name}.lock"), (0, 0))
        if asked:
            shop.fetch()
        assert forget_unused(folder.parent, older_than_days=30) == ([] if asked else [folder.name])
    assert verify_cli(shop.fetch())


def test_only_the_binary_and_its_stamp_are_kept(shop: Shop) -> None:
    assert {path.name for path in shop.fetch().path.parent.iterdir()} == {"claude", "stamp.json"}


def test_a_package_that_is_not_what_was_resolved_is_not_used(shop: Shop) -> None:
    other = shop.release.model_copy(update={"integrity": integrity(b"something else")})
    with pytest.raises(CompatError, match="is not what the registry says it is"):
        shop.fetch(other)
    assert shop.cached() == []


def test_a_download_cut_short_leaves_nothing_and_works_the_next_time(shop: Shop) -> None:
    shop.registry.cut_tarballs = True
    with pytest.raises(CompatError):
        shop.fetch()
    assert shop.cached() == []
    shop.registry.cut_tarballs = False
    assert verify_cli(shop.fetch())


def test_what_a_killed_fetch_left_behind_is_swept_away(shop: Shop) -> None:
    folder = shop.fetch().path.parent
    part = folder.with_name(f"{folder.name}.part")
    folder.rename(part)
    (part / "claude").write_text("half of it")
    assert verify_cli(shop.fetch())
    assert shop.cached() == [folder.name]


def test_a_binary_that_was_changed_is_fetched_again(shop: Shop) -> None:
    cli = shop.fetch()
    good = cli.path.read_bytes()
    cli.path.write_bytes(good.replace(b"echo", b"exec"))
    assert len(good) == cli.path.stat().st_size
    assert not verify_cli(cli)
    assert shop.fetch().path.read_bytes() == good
    assert shop.registry.downloads == 2


def test_a_binary_that_was_cut_is_fetched_again(shop: Shop) -> None:
    cli = shop.fetch()
    modified_ns = cli.path.stat().st_mtime_ns
    cli.path.write_bytes(cli.path.read_bytes()[:10])
    os.utime(cli.path, ns=(modified_ns, modified_ns))
    assert verify_cli(shop.fetch())
    assert shop.registry.downloads == 2


def test_a_copied_cache_with_other_file_times_is_still_good(shop: Shop) -> None:
    os.utime(shop.fetch().path, (1, 1))
    shop.fetch()
    assert shop.registry.downloads == 1


def test_an_unreadable_stamp_makes_it_fetch_again(shop: Shop) -> None:
    cli = shop.fetch()
    (cli.path.parent / "stamp.json").write_text("{")
    assert verify_cli(shop.fetch())
    assert shop.registry.downloads == 2


def test_two_that_want_it_at_once_download_it_once(shop: Shop) -> None:
    seen: list[ClaudeCli] = []
    threads = [threading.Thread(target=lambda: seen.append(shop.fetch())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert shop.registry.downloads == 1


def test_a_binary_that_reports_another_version_is_refused(registry: LoopbackRegistry, tmp_path: Path) -> None:
    shop = Shop(registry, tmp_path, tarball("#!/bin/sh\necho '2.1.8 (Claude Code)'\n"))
    with pytest.raises(CompatError, match=r"2\.1\.9 says it is '2\.1\.8 \(Claude Code\)'"):
        shop.fetch()
    assert shop.cached() == []


def test_the_binary_is_tried_in_an_environment_built_from_nothing(
    registry: LoopbackRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    shop = Shop(registry, tmp_path, tarball(f"#!/bin/sh\necho '{VERSION}' $SOME_TOKEN\n"))
    assert shop.fetch().reported_version == VERSION


def test_no_install_script_of_the_package_runs(registry: LoopbackRegistry, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    scripts = dict.fromkeys(("preinstall", "install", "postinstall", "prepare", "prepack"), f"touch {trap}")
    registry.publish(VERSION, scripts=scripts)
    Shop(registry, tmp_path / "cache").fetch()
    assert not trap.exists()


def test_nothing_but_the_binary_comes_out_of_the_package(registry: LoopbackRegistry, tmp_path: Path) -> None:
    evil = {"../../escaped": "x", "package/../../escaped": "x", str(tmp_path / "escaped"): "x"}
    shop = Shop(registry, tmp_path / "cache", tarball(f"#!/bin/sh\necho {VERSION}\n", extra=evil))
    shop.fetch()
    assert not list(tmp_path.rglob("escaped"))


def test_a_link_in_place_of_the_binary_is_refused(registry: LoopbackRegistry, tmp_path: Path) -> None:
    shop = Shop(registry, tmp_path, tarball(None, link="/bin/true"))
    with pytest.raises(CompatError, match="holds no package/claude"):
        shop.fetch()


def test_a_cache_that_cannot_be_written_is_one_clear_error(shop: Shop) -> None:
    shop.cache.mkdir()
    (shop.cache / "claude").write_text("a file where a folder is due")
    with pytest.raises(CompatError, match="cannot create"):
        shop.fetch()
