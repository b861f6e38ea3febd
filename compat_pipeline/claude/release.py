"""The Claude Code release under test: which version, and the package that holds its binary for this machine."""

from __future__ import annotations

import platform
import re
import sys
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compat_pipeline.claude.npm import Npm
from compat_pipeline.domain.versions import (
    EXACT_VERSION,
    NoSuchVersion,
    claude_code_candidates,
    pick_claude_code,
    published_at,
)
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import write_atomically

PACKAGE = "@anthropic-ai/claude-code"
"""A thin wrapper around one native binary per platform, which is in a package of its own."""

_PINNED = "pinned"
_INTEGRITY = r"^sha512-[A-Za-z0-9+/]{86}==$"
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class ClaudeCodeRelease(BaseModel):
    """One version, resolved: `integrity` (`sha512-<base64>`) is that of `platform_package`'s tarball."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    platform_package: str
    integrity: str = Field(pattern=_INTEGRITY)
    published_at: datetime | None
    policy: str


def resolve_claude_code(request: str, npm: Npm, now: datetime) -> ClaudeCodeRelease:
    """The release that `request` means: a dist-tag such as `latest`, `cooldown` or an exact version.

    A published version never changes: once resolved it is kept in npm's cache, and a pin resolves without a registry.
    Raises CompatError when there is none, when it has no binary for this machine, or npm cannot tell.
    """
    package = platform_package(sys.platform, platform.machine(), platform.libc_ver()[0])
    shelf = npm.cache / "releases" / package.rpartition("/")[2]
    pinned = request if EXACT_VERSION.fullmatch(request) else None
    if pinned and (kept := _kept(shelf, pinned)):
        return kept
    document = npm.document(PACKAGE, pinned)
    try:
        version = pick_claude_code(document, request, now)
    except NoSuchVersion as error:
        raise CompatError(
            str(error), "ask for a dist-tag such as `latest`, `cooldown` or a version that npm lists"
        ) from error
    manifest = npm.view(f"{package}@{version}", "version", "dist.integrity")
    integrity = manifest.get("dist.integrity") if isinstance(manifest, dict) else None
    if not isinstance(integrity, str) or not re.search(_INTEGRITY, integrity):
        raise CompatError(
            f"the npm registry gives no sha512 integrity for {package}@{version}",
            "use a registry or mirror that passes `dist.integrity` on",
        )
    release = ClaudeCodeRelease(
        version=version,
        platform_package=package,
        integrity=integrity,
        published_at=published_at(document, version),
        policy=_PINNED,
    )
    write_atomically(shelf / f"{version}.json", release.model_dump_json())
    return release if request == version else release.model_copy(update={"policy": request})


def _kept(shelf: Path, pinned: str) -> ClaudeCodeRelease | None:
    """The release of a pinned version as it was resolved before."""
    try:
        return ClaudeCodeRelease.model_validate_json((shelf / f"{pinned}.json").read_bytes())
    except (OSError, ValidationError):
        return None


def newest_claude_code(npm: Npm) -> str:
    """The newest version fit to be tested, whether or not its publisher promotes it. Raises CompatError."""
    if not (candidates := claude_code_candidates(npm.document(PACKAGE))):
        raise CompatError("the npm registry lists no Claude Code version")
    return candidates[-1]


def platform_package(system: str, machine: str, libc: str) -> str:
    """The package of the native binary for `sys.platform`, `platform.machine()` and the libc's name (`""`: musl)."""
    architecture = _ARCHITECTURES.get(machine.lower())
    if architecture is None or system not in ("linux", "darwin"):
        raise CompatError(f"there is no Claude Code binary for {system} on {machine}", "run on Linux or macOS")
    suffix = "-musl" if system == "linux" and libc != "glibc" else ""
    return f"{PACKAGE}-{system}-{architecture}{suffix}"
