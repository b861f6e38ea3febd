"""Finding a Claude Code release through the real npm, against a registry on loopback."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from compat_pipeline.claude.npm import Npm, forget_answers
from compat_pipeline.claude.release import PACKAGE, newest_claude_code, resolve_claude_code
from compat_pipeline.claude.release import platform_package as platform_package_of
from compat_pipeline.ground.errors import CompatError
from compat_pipeline_tests.claude.loopback import closed_port
from compat_pipeline_tests.claude.registry import PLATFORM, LoopbackRegistry

NOW = datetime(2026, 11, 21, tzinfo=timezone.utc)


def npm_for(registry: LoopbackRegistry, cache: Path) -> Npm:
    return Npm(cache, registry.environment(str(cache)))


def test_latest_names_the_platform_package_and_its_integrity(registry: LoopbackRegistry, tmp_path: Path) -> None:
    registry.publish("2.1.9")
    expected = registry.publish("2.1.10")
    release = resolve_claude_code("latest", npm_for(registry, tmp_path), NOW)
    assert (release.version, release.platform_package, release.integrity) == ("2.1.10", PLATFORM, expected)
    assert release.published_at == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert release.policy == "latest"


def test_a_registry_with_a_single_version_is_understood(registry: LoopbackRegistry, tmp_path: Path) -> None:
    registry.publish("2.1.9")
    assert resolve_claude_code("cooldown", npm_for(registry, tmp_path), NOW).version == "2.1.9"


def test_a_deprecated_version_is_passed_over_but_may_be_pinned(registry: LoopbackRegistry, tmp_path: Path) -> None:
    registry.publish("2.1.9")
    registry.publish("2.1.10", deprecated="broken")
    npm = npm_for(registry, tmp_path)
    assert resolve_claude_code("latest", npm, NOW).version == "2.1.9"
    pinned = resolve_claude_code("2.1.10", npm, NOW)
    assert (pinned.version, pinned.policy) == ("2.1.10", "pinned")


def test_a_pre_release_is_passed_over_but_may_be_pinned(registry: LoopbackRegistry, tmp_path: Path) -> None:
    registry.publish("2.1.9")
    registry.publish("2.2.0-beta.1")
    npm = npm_for(registry, tmp_path)
    assert resolve_claude_code("latest", npm, NOW).version == "2.1.9"
    pinned = resolve_claude_code("2.2.0-beta.1", npm, NOW)
    assert (pinned.version, pinned.policy) == ("2.2.0-beta.1", "pinned")


def test_a_version_that_was_resolved_once_resolves_without_a_registry(
    registry: LoopbackRegistry, tmp_path: Path
) -> None:
    registry.publish("2.1.9")
    found = resolve_claude_code("latest", npm_for(registry, tmp_path), NOW)
    gone = Npm(tmp_path, registry.environment(str(tmp_path)) | {"npm_config_registry": closed_port()})
    assert resolve_claude_code("2.1.9", gone, NOW) == found.model_copy(update={"policy": "pinned"})
    with pytest.raises(CompatError):
        resolve_claude_code("latest", gone, NOW)


def test_what_npm_has_kept_for_long_is_removed_and_asked_for_anew(registry: LoopbackRegistry, tmp_path: Path) -> None:
    registry.publish("2.1.9")
    npm = npm_for(registry, tmp_path)
    document = npm.document(PACKAGE)
    kept = [path for path in (tmp_path / "npm" / "_cacache" / "content-v2").rglob("*") if path.is_file()]
    forget_answers(tmp_path, older_than_days=1)
    assert [path for path in kept if not path.exists()] == []
    for path in kept:
        os.utime(path, (0, 0))
    forget_answers(tmp_path, older_than_days=1)
    assert [path for path in kept if path.exists()] == []
    assert npm.document(PACKAGE) == document


def test_the_newest_is_known_beside_what_its_publisher_promotes(registry: LoopbackRegistry, tmp_path: Path) -> None:
    registry.publish("2.1.10")
    registry.publish("2.1.9")
    npm = npm_for(registry, tmp_path)
    assert resolve_claude_code("latest", npm, NOW).version == "2.1.9"
    assert newest_claude_code(npm) == "2.1.10"


def test_a_version_that_does_not_exist_is_one_clear_error(registry: LoopbackRegistry, tmp_path: Path) -> None:
    registry.publish("2.1.9")
    with pytest.raises(CompatError, match=r"no Claude Code '9\.9\.9'; the newest is 2\.1\.9"):
        resolve_claude_code("9.9.9", npm_for(registry, tmp_path), NOW)


def test_a_registry_without_the_package_is_one_clear_error(registry: LoopbackRegistry, tmp_path: Path) -> None:
    with pytest.raises(CompatError, match="the npm registry has no @anthropic-ai/claude-code"):
        resolve_claude_code("latest", npm_for(registry, tmp_path), NOW)


@pytest.mark.parametrize("answer", ["<html>hello</html>", "[]", "{}", '{"versions": 3}'])
def test_a_registry_that_talks_nonsense_is_one_clear_error(
    registry: LoopbackRegistry, tmp_path: Path, answer: str
) -> None:
    registry.broken_answer = answer
    with pytest.raises(CompatError, match="npm"):
        resolve_claude_code("latest", npm_for(registry, tmp_path), NOW)


def test_a_registry_that_is_down_is_one_clear_error_without_credentials(tmp_path: Path) -> None:
    address = closed_port().replace("//", "//user:hunter2@")
    npm = Npm(tmp_path, {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "npm_config_registry": address})
    with pytest.raises(CompatError, match="cannot reach the npm registry") as caught:
        resolve_claude_code("latest", npm, NOW)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("system", "machine", "libc", "suffix"),
    [
        ("linux", "x86_64", "glibc", "linux-x64"),
        ("linux", "aarch64", "glibc", "linux-arm64"),
        ("linux", "x86_64", "", "linux-x64-musl"),
        ("linux", "aarch64", "musl", "linux-arm64-musl"),
        ("darwin", "arm64", "", "darwin-arm64"),
        ("darwin", "x86_64", "", "darwin-x64"),
    ],
)
def test_every_supported_machine_has_its_package(system: str, machine: str, libc: str, suffix: str) -> None:
    assert platform_package_of(system, machine, libc) == f"@anthropic-ai/claude-code-{suffix}"


@pytest.mark.parametrize(("system", "machine"), [("linux", "riscv64"), ("sunos5", "x86_64")])
def test_another_machine_is_refused_by_name(system: str, machine: str) -> None:
    with pytest.raises(CompatError, match=f"no Claude Code binary for {system} on {machine}"):
        platform_package_of(system, machine, "glibc")
