"""Which LiteLLM release is tested: the one a request means, as GitHub or the package index knows it, and its lock."""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from packaging.specifiers import SpecifierSet
from pydantic import BaseModel, ConfigDict

from compat_pipeline.domain.versions import (
    DENIED_LITELLM,
    STABLE,
    denied_litellm_constraints,
    is_denied_litellm,
    litellm_minor,
    litellm_tag,
    parse_litellm_tag,
)
from compat_pipeline.ground.child import ask_python
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.home import make_folder, write_atomically
from compat_pipeline.ground.lock import locked
from compat_pipeline.proxy.client import run_uv
from compat_pipeline.proxy.github_releases import GithubReleases

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

_UPLOADED = re.compile(r"\bupload-time = (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")


class LitellmRelease(BaseModel):
    """A LiteLLM version that installs: `lock` is the file with every pinned package and its hashes.

    `digest` is the sha256 of the lock, hex. `policy` is the request that was resolved. `tag` names the code under
    test: a release, or for a checkout its version, `commit` and, where that has edits, their digest. `published_at`
    and `image_digest` (of the release's container image) are known where the source tells them. A checkout that was
    built as an image has no lock; that image's id is `digest` and `image_digest`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    tag: str
    source: Literal["package_index", "github", "path"] = "package_index"
    policy: str
    lock: Path | None
    digest: str
    commit: str | None = None
    published_at: datetime | None = None
    image_digest: str | None = None

    @property
    def request(self) -> str:
        """The request that means this very release again: its version or stable tag, or the checkout it is made of."""
        if self.policy.startswith("path:"):
            return self.policy.replace(f":{Path.home()}/", ":~/", 1)
        # The index would take the version for a plain tag.
        return self.tag if self.tag.endswith(STABLE) else self.version

    def verified_lock(self) -> Path:
        """The lock as it was resolved; CompatError where it is not that any more, or there was none."""
        if self.lock is None:
            raise CompatError(
                f"LiteLLM {self.tag} was built as an image alone", f"resolve it anew for a process: {self.policy}"
            )
        if not self.lock.is_file() or hashlib.sha256(self.lock.read_bytes()).hexdigest() != self.digest:
            raise CompatError(f"{self.lock} is gone or was changed since it was resolved", "resolve the release again")
        return self.lock


def resolve_litellm(request: str, cache: Path, python: Path, releases: GithubReleases | None = None) -> LitellmRelease:
    """The release that `request` means for the interpreter `python`: `latest`, a minor (`1.98`), a version or a tag.

    It is chosen among GitHub's `releases`, or else by the package index: `latest` is then the newest final version
    that the index can install here, which is not always the newest listed. Either way the index installs it. The first
    lock of a version is kept under `cache` and used again, so that the same version stays the same installation, and a
    pin resolves without a network. Raises WrongUsage for what is no version, else CompatError.
    """
    folder = cache / "litellm" / "locks"
    if releases is not None:
        found = releases.pick(request)
        text, lock = _locked(_allowed(found.version), folder, python)
        return LitellmRelease(
            version=found.version,
            tag=found.tag,
            source="github",
            policy=request,
            lock=lock,
            digest=sha256(text),
            published_at=found.published_at,
            image_digest=found.image_digest,
        )
    minor = litellm_minor(request)
    pinned = request != LATEST and not minor
    version = pinned_version(request) if pinned else _newest(minor, folder, python)
    text, lock = _locked(version, folder, python)
    return LitellmRelease(
        version=version,
        tag=litellm_tag(request if pinned else version),
        policy=request,
        lock=lock,
        digest=sha256(text),
        published_at=_published(version, lock, python),
    )


def with_accelerator(release: LitellmRelease, accelerator: str, cache: Path, python: Path) -> LitellmRelease:
    """`release` as it is installed together with the requirement `accelerator`; the first lock of the two is kept.

    Raises CompatError where they cannot be, and for a checkout.
    """
    if release.source == "path":
        raise CompatError("a checkout cannot be accelerated", "choose a released version of LiteLLM")
    text, lock = _locked(release.version, cache / "litellm" / "locks", python, accelerator)
    return release.model_copy(update={"lock": lock, "digest": sha256(text)})


def locked_version(lock: str, package: str) -> str:
    """The version of `package` in the text of a lock; raises KeyError."""
    for line in lock.splitlines():
        if line.startswith(f"{package}=="):
            return line.removeprefix(f"{package}==").split()[0]
    raise KeyError(package)


def companions(version: str) -> list[str]:
    """Requirements that LiteLLM `version` forgets to state."""
    return [line for versions, line in _COMPANIONS.items() if versions.contains(version, prereleases=True)]


def compile_lock(
    requirements: Sequence[str],
    constraints: Sequence[str],
    folder: Path,
    python: Path,
    what: str,
    *options: str,
) -> str:
    """The text of a lock for `requirements`, with hashes; `options` are further ones of uv's.

    Raises CompatError, which starts with `what`.
    """
    with tempfile.TemporaryDirectory(dir=make_folder(folder), prefix=".resolve-") as scratch:
        wanted, limits = Path(scratch, "wanted.in"), Path(scratch, "limits.txt")
        wanted.write_text("\n".join(requirements))
        limits.write_text("\n".join(constraints))
        return run_uv(
            ("pip", "compile", *_LOCK_OPTIONS, *options, "--python", python, "--constraint", limits, wanted),
            what=what,
            cwd=folder,
            next_step=f"choose a version that exists for this Python and system, or '{LATEST}'",
        )


def fingerprint(python: Path, requirements: Sequence[str]) -> str:
    """What a lock depends on beside the version: the interpreter, the system, and what was asked for."""
    ask = "import sys, sysconfig; print(sys.implementation.cache_tag, sysconfig.get_platform())"
    try:
        told = ask_python(python, ask, python.parent)
    except OSError as error:
        raise CompatError(f"{python} is not a Python that runs: {error}") from error
    if told.exit_code != 0:
        raise CompatError(f"{python} is not a Python that runs: it ended with exit code {told.exit_code}")
    return sha256("\n".join((*requirements, *b" ".join(told.stdout).decode(errors="replace").split())))[:12]


def sha256(text: str) -> str:
    """Hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _locked(version: str, folder: Path, python: Path, *others: str) -> tuple[str, Path]:
    """The lock of `version` and `others`, made unless it is there, and its file."""
    requirements = (*requirements_of(f"=={version}", version), *others)
    lock = folder / f"litellm-{version}-{fingerprint(python, requirements)}.txt"
    if (text := _read(lock)) is not None:
        return text, lock
    with locked(lock.with_suffix(".lock")):  # of those who resolve it at once, all take what the first one found
        if (text := _read(lock)) is None:
            log.info("resolving LiteLLM %s", version)
            what = f"cannot resolve LiteLLM {version}"
            text = compile_lock(requirements, denied_litellm_constraints(), folder, python, what)
            write_atomically(lock, text)
    return text, lock


def _published(version: str, lock: Path, python: Path) -> datetime | None:
    """When the index got `version`: kept beside its `lock` once the index has told it, or that it does not say."""
    kept = lock.with_suffix(".published")
    if (told := _read(kept)) is None:
        try:
            told = upload_time(f"litellm=={version}", lock.parent, python)
            write_atomically(kept, told)
        except (CompatError, OSError) as error:  # a version is as good without it; the next one asks again
            log.debug("%s", error)
            return None
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        return None


def upload_time(pinned: str, folder: Path, python: Path) -> str:
    """When the index got the first file of a version (`NAME==VERSION`), as ISO 8601; empty where it does not say.

    Raises CompatError where the index cannot be asked.
    """
    with tempfile.TemporaryDirectory(dir=make_folder(folder), prefix=".asked-") as scratch:
        wanted = Path(scratch, "wanted.in")
        wanted.write_text(pinned)
        options = ("--no-deps", "--quiet", "--no-header", "--format", "pylock.toml", "--python", python)
        told = run_uv(
            ("pip", "compile", *options, wanted),
            what=f"cannot tell when {pinned} was released",
            cwd=folder,
            next_step="check the package index that uv is configured with",
        )
    first = min(_UPLOADED.findall(told), default="")
    return f"{first}+00:00" if first else ""


def _newest(minor: str | None, folder: Path, python: Path) -> str:
    log.info("asking the package index for the newest LiteLLM %s", minor or "")
    requirements = requirements_of(f"=={minor}.*" if minor else "")
    what = f"cannot resolve the newest LiteLLM{f' {minor}' if minor else ''}"
    return locked_version(compile_lock(requirements, denied_litellm_constraints(), folder, python, what), "litellm")


def pinned_version(request: str) -> str:
    """The version that `request` names, be it by its tag. WrongUsage where it names none, CompatError for a denied."""
    try:
        return _allowed(str(parse_litellm_tag(request)))
    except ValueError as error:
        raise WrongUsage(f"{error}", f"give a version such as 1.106.2, a minor such as 1.106, or '{LATEST}'") from error


def _allowed(version: str) -> str:
    if is_denied_litellm(version):
        why = next(why for denied, why in DENIED_LITELLM.items() if SpecifierSet(f"=={denied}").contains(version))
        raise CompatError(f"LiteLLM {version} must not be installed: {why}", f"choose another version, or '{LATEST}'")
    return version


def requirements_of(pin: str, version: str = "") -> tuple[str, ...]:
    """What is installed for a LiteLLM proxy: `pin` limits its version, which is `version` if that is known."""
    return (*(line.format(pin=pin) for line in _REQUIREMENTS), *(companions(version) if version else ()))


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CompatError(f"cannot read {path}: {error}", "delete it, or check its owner") from error
