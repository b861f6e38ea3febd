"""The native binary of one Claude Code release: fetched once, verified, kept in a cache keyed by digest."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, ValidationError

from compat_pipeline.claude.npm import Npm
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import make_folder, write_atomically
from compat_pipeline.ground.process import end_group, spawn
from compat_pipeline.ground.shelf import PART, taken

_MEMBER = "package/claude"
_CHUNK_BYTES = 1 << 20
_VERSION_LIMIT_S = 60.0


@dataclass(frozen=True)
class ClaudeCli:
    """A binary that is ready to run; its digests (hex) are as they were when its package was verified.

    `sha512` is for people to compare; `blake3` takes a tenth of the time, so that each run can afford it.
    """

    path: Path
    version: str
    sha512: str
    blake3: str
    reported_version: str


class _Stamp(BaseModel):
    """What the binary was when it was unpacked from a verified package."""

    model_config = ConfigDict(frozen=True)

    integrity: str
    sha512: str
    blake3: str
    size_bytes: int
    modified_ns: int


def ensure_cli(release: ClaudeCodeRelease, cache: Path, npm: Npm) -> ClaudeCli:
    """The release's binary from `cache`, fetched first if it is not there or no longer what was verified.

    Fetching checks the tarball against the release's integrity before anything of it is used, takes nothing but
    the binary out of it, and takes effect in one step: an interrupted download leaves the cache as it was. Two
    processes fetch one after the other. Raises CompatError.
    """
    key = f"{release.version}-{_digest(release.integrity).hex()[:16]}"
    shelf = make_folder(cli_shelf(cache))
    folder = shelf / key
    try:
        with taken(folder):
            stamp = _stamp_if_intact(folder, release)
            if stamp is None:
                stamp = _fetch(release, folder, npm)
            reported = _checked_version(folder, release)
            return ClaudeCli(folder / "claude", release.version, stamp.sha512, stamp.blake3, reported)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise CompatError(
            f"cannot unpack Claude Code {release.version} into {shelf}: {error}",
            "about 1 GB must be free there; COMPAT_CACHE names another place",
        ) from error


def cli_shelf(cache: Path) -> Path:
    """Where the binaries are kept."""
    return cache / "claude"


def fetched_versions(cache: Path) -> list[str]:
    """The Claude Code versions whose binary is in `cache`."""
    return sorted({stamp.parent.name.rpartition("-")[0] for stamp in cli_shelf(cache).glob("*/stamp.json")})


def verify_cli(cli: ClaudeCli) -> bool:
    """Whether every byte of the binary is still what was verified (reads the whole file)."""
    try:
        return _blake3(cli.path) == cli.blake3
    except OSError:
        return False


def _stamp_if_intact(folder: Path, release: ClaudeCodeRelease) -> _Stamp | None:
    """The binary's stamp, None if it must be fetched. A changed time alone makes it read the whole file once."""
    binary, record = folder / "claude", folder / "stamp.json"
    try:
        stamp, seen = _Stamp.model_validate_json(record.read_bytes()), binary.stat()
    except (OSError, ValidationError):
        return None
    if stamp.integrity != release.integrity or stamp.size_bytes != seen.st_size:
        return None
    if stamp.modified_ns == seen.st_mtime_ns:
        return stamp
    if _blake3(binary) != stamp.blake3:
        return None
    return _write_stamp(folder, stamp.integrity, stamp.sha512, stamp.blake3)


def _fetch(release: ClaudeCodeRelease, folder: Path, npm: Npm) -> _Stamp:
    part = folder.with_name(f"{folder.name}{PART}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        download = make_folder(part / "download")
        tarball = npm.pack(f"{release.platform_package}@{release.version}", download)
        if _sha512(tarball) != _digest(release.integrity):
            raise CompatError(
                f"the package {release.platform_package}@{release.version} is not what the registry says it is",
                "nothing of it was used; try again, and distrust the mirror if it happens twice",
            )
        sha512, quick = _extract(tarball, part / "claude")
        shutil.rmtree(download)
        _checked_version(part, release)
        stamp = _write_stamp(part, release.integrity, sha512, quick)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        return stamp
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _extract(tarball: Path, binary: Path) -> tuple[str, str]:
    """Write the one member we want to `binary`; returns its SHA-512 and BLAKE3 (hex), both of what came out.

    Names in the tarball are never followed.
    """
    with tarfile.open(tarball, "r:gz") as archive:
        source = next((archive.extractfile(one) for one in archive if one.name == _MEMBER and one.isfile()), None)
        if source is None:
            raise CompatError(f"{tarball.name} holds no {_MEMBER}", "pick a version from 2.1.110 on")
        with source, binary.open("wb") as target:
            digests = _copy(source, target)
    binary.chmod(0o755)
    return digests


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[str, str]:
    sha512, quick = hashlib.sha512(), blake3()
    for chunk in _chunks(source):
        sha512.update(chunk)
        quick.update(chunk)
        target.write(chunk)
    return sha512.hexdigest(), quick.hexdigest()


def _write_stamp(folder: Path, integrity: str, sha512: str, quick: str) -> _Stamp:
    seen = (folder / "claude").stat()
    stamp = _Stamp(
        integrity=integrity, sha512=sha512, blake3=quick, size_bytes=seen.st_size, modified_ns=seen.st_mtime_ns
    )
    write_atomically(folder / "stamp.json", stamp.model_dump_json())
    return stamp


def _checked_version(folder: Path, release: ClaudeCodeRelease) -> str:
    """What `claude --version` prints; CompatError unless that is the release's version."""
    home = make_folder(folder / "home")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "CLAUDE_CONFIG_DIR": str(home)}
    process = spawn([folder / "claude", "--version"], env=environment, cwd=home, stdout=subprocess.PIPE)
    try:
        stdout, _ = process.communicate(timeout=_VERSION_LIMIT_S)
    except subprocess.TimeoutExpired:
        stdout = b"nothing in time"
    finally:
        end_group(process)
        shutil.rmtree(home, ignore_errors=True)
    reported = stdout.decode(errors="replace").strip()
    if reported.split(" ")[0] != release.version:
        raise CompatError(
            f"the binary of Claude Code {release.version} says it is '{reported}' (exit code {process.returncode})",
            f"delete {folder} and try again",
        )
    return reported


def _sha512(path: Path) -> bytes:
    digest = hashlib.sha512()
    with path.open("rb") as file:
        for chunk in _chunks(file):
            digest.update(chunk)
    return digest.digest()


def _blake3(path: Path) -> str:
    digest = blake3()
    with path.open("rb") as file:
        for chunk in _chunks(file):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _digest(integrity: str) -> bytes:
    return base64.b64decode(integrity.removeprefix("sha512-"))
