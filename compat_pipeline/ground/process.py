"""Starting and ending other programs so that none outlives us."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> Callable[[], None] | None:
    """A hook for the child: on Linux the kernel kills it when the thread that started it ends, even by `kill -9`."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def hook() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return hook


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = subprocess.DEVNULL,
    stderr: int | IO[Any] | None = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `argv` as leader of its own process group, with exactly `env`, tied to the life of the calling thread."""
    return subprocess.Popen(
        [str(part) for part in argv],
        env=dict(env),
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
        preexec_fn=_die_with_parent(),
    )


def end_group(process: subprocess.Popen[bytes], grace_s: float = 5.0) -> None:
    """End `process` and its whole group: SIGTERM, `grace_s` seconds, SIGKILL. Safe on one that has ended."""
    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=grace_s)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


# Credentials that publish or bill; a registry client has no use for them.
_CREDENTIAL_PREFIXES = ("ANTHROPIC_", "AWS_", "AZURE_", "COMPAT_", "GH_", "GITHUB_", "GOOGLE_", "OPENAI_", "DAGSTER_")


def client_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a package client (npm, uv): the user's own mirror and proxy settings, without credentials."""
    return {name: value for name, value in environ.items() if not name.startswith(_CREDENTIAL_PREFIXES)}
