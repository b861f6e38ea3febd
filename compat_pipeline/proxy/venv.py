"""The proxy's own environment: one venv per exact lock and Python, built once, checked before use."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from compat_pipeline.ground.child import ask_python
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.ground.shelf import is_idle, taken
from compat_pipeline.proxy.client import run_uv
from compat_pipeline.proxy.release import LitellmRelease, fingerprint

log = logging.getLogger(__name__)

_STAMP = ".complete"
_ACCELERATED = Path(__file__).with_name("within") / "compat_accelerated.py"


class ProxyVenv(BaseModel):
    """A complete venv: its interpreter, and the digest of the lock it holds.

    `accelerated`: LiteLLM is started with the accelerator loaded, which the venv holds, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    python: Path
    digest: str
    accelerated: bool = False

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.python.parents[1]

    @property
    def litellm(self) -> Path:
        """The `litellm` command."""
        return self.python.with_name("litellm")

    @property
    def command(self) -> tuple[Path, ...]:
        """How LiteLLM is started: an accelerated one by a wrapper, which imports the accelerator first."""
        return (self.python, _ACCELERATED) if self.accelerated else (self.litellm,)


def ensure_venv(release: LitellmRelease, cache: Path, python: Path) -> ProxyVenv:
    """The venv of `release` under `cache`, built with interpreter `python` unless it is there already.

    Another kind of Python gets a venv of its own. Two processes that want the same venv build it once. One that was
    left half-built, that was moved (its commands name their interpreter by its path), or whose interpreter is gone, is
    built anew, unless it is in use. Every package is checked against the hashes of the lock; nothing is built from
    source. Raises CompatError.
    """
    folder = venv_shelf(cache) / f"{release.version}-{release.digest[:12]}-{fingerprint(python, ())}"
    venv = ProxyVenv(python=folder / "bin" / "python", digest=release.digest)
    with taken(folder):
        if not (_is_stamped(folder, release) and _installed_version(venv.python) == release.version):
            if not is_idle(folder):
                raise CompatError(f"{folder} is damaged, and a proxy runs in it", "end that proxy and try again")
            build_venv(folder, release, python)
            if (installed := _installed_version(venv.python)) != release.version:
                raise CompatError(
                    f"the LiteLLM environment in {folder} holds version {installed or 'none'}, not {release.version}",
                    f"delete {release.lock} and try again",
                )
            write_atomically(folder / _STAMP, _stamp(folder, release))
    return venv


def venv_shelf(cache: Path) -> Path:
    """Where the venvs are kept."""
    return cache / "litellm" / "venvs"


def installed_versions(cache: Path) -> list[str]:
    """The LiteLLM versions that are installed under `cache`, for whichever interpreter."""
    return sorted({stamp.parent.name.partition("-")[0] for stamp in venv_shelf(cache).glob(f"*/{_STAMP}")})


def build_venv(folder: Path, release: LitellmRelease, python: Path) -> None:
    """Fill `folder` anew with the venv of `release`. Raises CompatError."""
    lock = release.verified_lock()
    log.info("installing LiteLLM %s", release.version)
    what = f"cannot install LiteLLM {release.version}"
    next_step = f"check the network and free disk space, or delete {lock} to resolve it anew"
    with suppress(OSError):  # the stamp first: we may be killed in between, and half a venv must not look complete
        (folder / _STAMP).unlink()
    shutil.rmtree(folder, ignore_errors=True)
    create: list[str | Path] = ["venv", "--quiet", "--python", python, folder]
    fill: list[str | Path] = ["pip", "sync", "--quiet", "--require-hashes", "--no-build"]
    for command in (create, [*fill, "--python", folder / "bin" / "python", lock]):
        run_uv(command, what=what, cwd=folder.parent, next_step=next_step)


def _is_stamped(folder: Path, release: LitellmRelease) -> bool:
    stamp = folder / _STAMP
    return stamp.is_file() and stamp.read_bytes() == _stamp(folder, release)


def _stamp(folder: Path, release: LitellmRelease) -> bytes:
    """What a complete venv says: its lock, and where it was built."""
    return os.fsencode(f"{release.digest}\n{folder.resolve()}\n")


def _installed_version(python: Path) -> str | None:
    """None where there is none; CompatError where it could not be asked, which says nothing of it."""
    ask = "from importlib.metadata import version; print(version('litellm'))"
    try:
        told = ask_python(python, ask, python.parents[1])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CompatError(f"cannot start {python}: {error.strerror}", "try again") from error
    if told.timed_out:
        raise CompatError(f"{python} gave no answer in time", "try again when this machine is less busy")
    return b"\n".join(told.stdout).decode(errors="replace").strip() if told.exit_code == 0 else None
