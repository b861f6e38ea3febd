"""Which Pythons are on this machine: on the PATH, of pyenv, of uv. Each is started; none is assumed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from compat_pipeline.domain.environment import Interpreter
from compat_pipeline.domain.environment_rows import python_order
from compat_pipeline.ground.child import ask_python
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.client import run_uv

_NAMED = re.compile(r"python(3\.\d+)")
_VERSIONED = re.compile(r"(3\.\d+)\.\d+")
_ASK = (
    "import json, sys, sysconfig; print(json.dumps([sys.implementation.name, '%d.%d' % sys.version_info[:2], "
    "'%d.%d.%d' % sys.version_info[:3], sysconfig.get_platform(), sys.prefix != sys.base_prefix]))"
)
_START_LIMIT_S = 20.0


def find_interpreters(folder: Path, environ: Mapping[str, str] = os.environ) -> list[Interpreter]:
    """One CPython per minor, the newest that starts, in order; a minor of which none starts has the trouble of one.

    `folder` is where they are started. Environments (venvs) are nobody's interpreter.
    """
    found: dict[str, Interpreter] = {}
    for candidate, named in _candidates(folder, environ):
        one = _ask(candidate, named, folder)
        if one is not None and (one.minor not in found or _better(one, found[one.minor])):
            found[one.minor] = one
    return sorted(found.values(), key=lambda one: python_order(one.minor))


def _candidates(folder: Path, environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Every file that may be a Python, once, with the minor that its name tells."""
    seen = set()
    for path, named in (*_on_path(environ), *_of_pyenv(environ), *_of_uv(folder)):
        if path not in seen:
            seen.add(path)
            yield path, named


def _on_path(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """But for pyenv's shims: each leads to one of pyenv's own, or nowhere."""
    shims = str(_pyenv(environ) / "shims")
    for place in environ.get("PATH", "").split(os.pathsep):
        for path in sorted(Path(place).glob("python3*")) if place not in ("", shims) else ():
            named = _NAMED.fullmatch(path.name)
            if (named or path.name == "python3") and os.access(path, os.X_OK):
                yield path, named[1] if named else ""


def _of_pyenv(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    for version in sorted(_pyenv(environ).glob("versions/*")):
        if named := _VERSIONED.fullmatch(version.name):
            yield version / "bin" / "python", named[1]


def _pyenv(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "/"), ".pyenv"))


def _of_uv(folder: Path) -> Iterator[tuple[Path, str]]:
    """Those that uv keeps; where it cannot be asked, it has none."""
    with suppress(CompatError):
        told = run_uv(("python", "dir"), what="cannot tell where uv's Pythons are", cwd=folder, next_step="")
        for path in sorted(Path(told.strip()).glob("cpython-3*/bin/python3.*")):
            if named := _NAMED.fullmatch(path.name):
                yield path, named[1]


def _ask(path: Path, named: str, folder: Path) -> Interpreter | None:
    """What the Python at `path` says of itself; None for one that is of no use, or tells nobody which it would be."""
    try:
        told = ask_python(path, _ASK, folder, _START_LIMIT_S)
        implementation, minor, version, platform, is_venv = json.loads(b"".join(told.stdout) or b"null")
    except OSError as error:
        return _troubled(path, named, f"{error.strerror}")
    except (ValueError, TypeError):
        how = "gave no answer in time" if told.timed_out else f"ended with exit code {told.exit_code}"
        return _troubled(path, named, f"{how}: {' '.join(told.stderr.split())[:300]}".rstrip(": "))
    if implementation != "cpython" or is_venv or not minor.startswith("3."):
        return None
    return Interpreter(minor=minor, path=str(path), version=version, platform=platform)


def _troubled(path: Path, named: str, why: str) -> Interpreter | None:
    return Interpreter(minor=named, path=str(path), trouble=f"{path} does not start: {why}") if named else None


def _better(one: Interpreter, other: Interpreter) -> bool:
    if one.trouble or other.trouble:
        return bool(other.trouble) and not one.trouble
    return python_order(one.version) > python_order(other.version)
