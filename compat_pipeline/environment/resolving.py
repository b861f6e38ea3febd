"""What an environment is made of, asked of the resolver: locks, wheels, other platforms, which versions there are."""

from __future__ import annotations

import re
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from compat_pipeline.domain.environment_cell import ACCELERATOR, AS_OF_TODAY, EnvironmentCell
from compat_pipeline.domain.environment_rows import TargetSeen
from compat_pipeline.domain.versions import denied_litellm_constraints, litellm_tag
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import make_folder, write_atomically
from compat_pipeline.proxy.client import ClientRefused, run_uv
from compat_pipeline.proxy.release import (
    LitellmRelease,
    compile_lock,
    locked_version,
    requirements_of,
    sha256,
    upload_time,
)

_PROOF = re.compile(r"^.*No solution found.*?(?=\nhint:|\Z)", re.DOTALL | re.MULTILINE)
_NOT_LISTED = "was not found in"
"""The resolver did not get to see the package: that proves nothing."""
_WHEEL = re.compile(r"""[/"']([\w.+-]+\.whl)\b""")
_OLDEST_PYTHON = "3.9"


class Unresolvable(Exception):
    """There is no solution; the text is the resolver's proof."""


def lock_environment(cell: EnvironmentCell, python: Path, folder: Path) -> LitellmRelease:
    """The lock of `cell` for the interpreter `python`, as a file in `folder`.

    Raises Unresolvable where there is none, CompatError where the index cannot be asked.
    """
    text = _resolved(cell, python, folder, *_as_of(cell, python, folder))
    lock = folder / "lock.txt"
    write_atomically(lock, text)
    tag, digest = litellm_tag(cell.litellm), sha256(text)
    return LitellmRelease(version=cell.litellm, tag=tag, policy=cell.key, lock=lock, digest=digest)


def ask_target(cell: EnvironmentCell, platform: str, resolver: str, python: Path, folder: Path) -> TargetSeen:
    """Whether `cell` could be installed on a platform (`resolver`: uv's name for it, empty for this one) with its
    Python, which need not be here; asked with the interpreter `python`."""
    options = ("--python-platform", resolver) if resolver else ()
    try:
        _resolved(cell, python, folder, "--python-version", cell.python, *options)
    except Unresolvable as proof:
        return TargetSeen(platform=platform, cell=cell, outcome="failed", words=str(proof))
    except CompatError as error:
        return TargetSeen(platform=platform, cell=cell, outcome="unclear", words=str(error))
    return TargetSeen(platform=platform, cell=cell, outcome="passed")


def without_the_proxy(accelerator: str, python: Path, folder: Path) -> str:
    """The LiteLLM that the requirement `accelerator` alone brings along; empty where that resolves no better."""
    try:
        lock = compile_lock([accelerator], denied_litellm_constraints(), folder, python, "without the proxy")
        return locked_version(lock, "litellm")
    except (CompatError, KeyError):
        return ""


def released_accelerator(python: Path, folder: Path) -> tuple[str, list[str]]:
    """The newest version of the accelerator, and the names of its wheels.

    Raises CompatError when the index cannot tell.
    """
    options = ("--no-deps", "--universal", "--python-version", _OLDEST_PYTHON, "--prerelease", "disallow")
    with tempfile.TemporaryDirectory(dir=make_folder(folder), prefix=".asked-") as scratch:
        wanted = Path(scratch, "wanted.in")
        wanted.write_text(ACCELERATOR)
        told = run_uv(
            (
                "pip",
                "compile",
                *options,
                "--quiet",
                "--no-header",
                "--format",
                "pylock.toml",
                "--python",
                python,
                wanted,
            ),
            what=f"cannot tell the releases of {ACCELERATOR}",
            cwd=folder,
            next_step="check the package index that uv is configured with",
        )
    version = re.search(r'^version = "([^"]+)"', told, re.MULTILINE)
    return version[1] if version else "", sorted(set(_WHEEL.findall(told)))


def newest_below(limits: str, python: Path, folder: Path) -> str | None:
    """The newest LiteLLM within `limits` (such as `>=1.90,<1.97`) that has a wheel for `python`; None where none has.

    Raises CompatError where the index cannot be asked.
    """
    try:
        lock = compile_lock(
            [f"litellm{limits}"], denied_litellm_constraints(), folder, python, "cannot list LiteLLM", "--no-deps"
        )
    except ClientRefused as refused:
        _proof(refused)
        return None
    return locked_version(lock, "litellm")


def _resolved(cell: EnvironmentCell, python: Path, folder: Path, *options: str) -> str:
    wanted = [*requirements_of(f"=={cell.litellm}", cell.litellm), *([cell.accelerator] if cell.accelerator else [])]
    what = f"cannot resolve {cell.key}"
    try:
        return compile_lock(wanted, denied_litellm_constraints(), make_folder(folder), python, what, *options)
    except ClientRefused as refused:
        raise Unresolvable(_proof(refused)) from refused


def _proof(refused: ClientRefused) -> str:
    """The resolver's own words, if they prove something; else `refused` is raised again."""
    proof = _PROOF.search(refused.cause)
    if refused.unreachable or not proof or _NOT_LISTED in proof[0]:
        raise refused
    return proof[0].strip()


def _as_of(cell: EnvironmentCell, python: Path, folder: Path) -> tuple[str, ...]:
    """uv's options for the lane: of what was there at the release, the day of LiteLLM's or the accelerator's upload."""
    if cell.lane == AS_OF_TODAY:
        return ()
    pins = [f"litellm=={cell.litellm}", *([cell.accelerator] if cell.accelerator else [])]
    uploads = [upload_time(pin, folder, python) for pin in pins]
    if not all(uploads):
        raise CompatError(
            f"the index does not say when {' and '.join(pins)} were released", "choose the lane as_of_today"
        )
    end_of_day = datetime.fromisoformat(max(uploads)).date() + timedelta(days=1)
    # A moment: uv takes a bare date for the end of that day, local time.
    return ("--exclude-newer", f"{end_of_day.isoformat()}T00:00:00Z")
