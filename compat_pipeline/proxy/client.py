"""The package client (uv): how it is called, and what it means when it refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import uv

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import make_folder
from compat_pipeline.ground.process import client_environment, quotable, spawned_group

_TIMEOUT_S = 900.0
_NO_ANSWER = "the package client gave no answer"
_UNREACHABLE = ("error sending request", "Failed to fetch", "Network connectivity is disabled", "dns error", _NO_ANSWER)


class ClientRefused(CompatError):
    """uv could not do what was asked; `cause` is its own explanation."""

    def __init__(self, what: str, cause: str, next_step: str) -> None:
        super().__init__(f"{what}:\n{cause}", next_step)
        self.cause = cause

    @property
    def unreachable(self) -> bool:
        """Whether the index, not what was asked of it, is the reason."""
        return any(sign in self.cause for sign in _UNREACHABLE)


def run_uv(
    arguments: Sequence[str | Path],
    *,
    what: str,
    cwd: Path,
    next_step: str,
    settings: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> str:
    """Standard output of `uv ARGUMENTS`, run with the user's own mirror and proxy settings, and `settings`.

    What it started, such as a build, ends with it and with us. Raises ClientRefused, whose message starts with `what`
    (a clause such as `cannot resolve LiteLLM 1.2.3`).
    """
    environment = {**client_environment(clients=["uv"]), "NO_COLOR": "1", "UV_NO_PROGRESS": "1", **(settings or {})}
    argv, pipe = [uv.find_uv_bin(), *arguments], subprocess.PIPE
    with spawned_group(argv, env=environment, cwd=make_folder(cwd), stdout=pipe, stderr=pipe) as client:
        try:
            stdout, stderr = client.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ClientRefused(what, f"{_NO_ANSWER} in {timeout_s:.0f} s", "check the network") from error
    if client.returncode == 0:
        return stdout.decode()
    words = stderr.decode(errors="replace").strip()
    cause = quotable(words, environment) or f"exit code {client.returncode}"
    refused = ClientRefused(what, cause, next_step)
    if refused.unreachable:
        refused = ClientRefused(what, cause, "check the network and the package index that uv is configured with")
    raise refused
