"""Which LiteLLM is tested: the release a request means, as the package client resolves it, and its lock."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from packaging.specifiers import SpecifierSet
from pydantic import BaseModel, ConfigDict

from compat_pipeline.domain.versions import (
    DENIED_LITELLM,
    denied_litellm_constraints,
    is_denied_litellm,
    litellm_tag,
    parse_litellm_tag,
)
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import make_folder, write_atomically
from compat_pipeline.proxy.client import run_uv

log = logging.getLogger(__name__)

LATEST = "latest"

# google-auth: every Vertex call imports it, and the extra `proxy` does not pull it in.
_REQUIREMENTS = ("litellm[proxy]{pin}", "google-auth")

# LiteLLM versions -> what their own metadata forgets: these import a name that later fastapi versions lack.
_COMPANIONS = {SpecifierSet(">=1.95.1,<=1.97.0"): "fastapi==0.136.3"}

# Pins and hashes only, no address in the lock; final versions, as wheels.
_LOCK_OPTIONS = (
    *("--generate-hashes", "--prerelease", "disallow", "--only-binary", ":all:"),
    *("--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
)


class LitellmRelease(BaseModel):
    """A LiteLLM version that installs: `lock` is the file with every pinned package and its hashes.

    `digest` is the sha256 of the lock, hex. `policy` is the request that was resolved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    tag: str
    source: Literal["package_index"] = "package_index"
    policy: str
    lock: Path
    digest: str


def resolve_litellm(request: str, cache: Path, python: Path) -> LitellmRelease:
    """The release that `request` (`latest`, a version or a tag) means for the interpreter `python`.

    `latest` is the newest final version that the package index can install here, which is not always the newest
    listed. The first lock of a version is kept under `cache` and used again, so that the same version stays the
    same installation, and a pin resolves without a network. Raises CompatError.
    """
    folder = cache / "litellm" / "locks"
    version = _newest(folder, python) if request == LATEST else _pinned(request)
    requirements = _requirements(version)
    lock = folder / f"litellm-{version}-{_fingerprint(python, requirements)}.txt"
    text = _read(lock)
    if text is None:
        log.info("resolving LiteLLM %s", version)
        text = _compile(requirements, folder, python, f"cannot resolve LiteLLM {version}")
        write_atomically(lock, text)
    return LitellmRelease(version=version, tag=litellm_tag(version), policy=request, lock=lock, digest=_sha256(text))


def locked_version(lock: str, package: str) -> str:
    """The version of `package` in the text of a lock; raises KeyError."""
    for line in lock.splitlines():
        if line.startswith(f"{package}=="):
            return line.removeprefix(f"{package}==").split()[0]
    raise KeyError(package)


def _newest(folder: Path, python: Path) -> str:
    log.info("asking the package index for the newest LiteLLM")
    return locked_version(_compile(_requirements(""), folder, python, "cannot resolve the newest LiteLLM"), "litellm")


def _pinned(request: str) -> str:
    try:
        version = str(parse_litellm_tag(request))
    except ValueError as error:
        raise CompatError(f"{error}", f"give a version such as 1.106.2, or '{LATEST}'") from error
    if is_denied_litellm(version):
        why = next(why for denied, why in DENIED_LITELLM.items() if SpecifierSet(f"=={denied}").contains(version))
        raise CompatError(f"LiteLLM {version} must not be installed: {why}", f"choose another version, or '{LATEST}'")
    return version


def _requirements(version: str) -> tuple[str, ...]:
    pin = f"=={version}" if version else ""
    companions = [line for versions, line in _COMPANIONS.items() if version and versions.contains(version)]
    return (*(line.format(pin=pin) for line in _REQUIREMENTS), *companions)


def _compile(requirements: tuple[str, ...], folder: Path, python: Path, what: str) -> str:
    with tempfile.TemporaryDirectory(dir=make_folder(folder), prefix=".resolve-") as scratch:
        wanted, denied = Path(scratch, "wanted.in"), Path(scratch, "denied.txt")
        wanted.write_text("\n".join(requirements))
        denied.write_text("\n".join(denied_litellm_constraints()))
        return run_uv(
            ("pip", "compile", *_LOCK_OPTIONS, "--python", python, "--constraint", denied, wanted),
            what=what,
            cwd=folder,
            next_step=f"choose a version that exists for this Python and system, or '{LATEST}'",
        )


def _fingerprint(python: Path, requirements: tuple[str, ...]) -> str:
    """What a lock depends on beside the version: the interpreter, the system, and what was asked for."""
    ask = "import sys, sysconfig; print(sys.implementation.cache_tag, sysconfig.get_platform())"
    try:
        told = subprocess.run([python, "-I", "-c", ask], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise CompatError(f"{python} is not a Python that runs: {error}") from error
    return _sha256("\n".join((*requirements, *told.split())))[:12]


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CompatError(f"cannot read {path}: {error}", "delete it, or check its owner") from error


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
