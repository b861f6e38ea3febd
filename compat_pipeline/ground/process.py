"""Starting and ending other programs so that none outlives us."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.domain.secret_shapes import names_a_credential

_PR_SET_PDEATHSIG = 1
_WATCHER = 'read -r group && { read -r _; kill -9 "-$group"; }'
"""Told a group, it ends the whole of it once nobody holds the other end of the pipe that is its standard input."""


def _before_it_starts(watched: int | None) -> Callable[[], None]:
    """A hook for the child: its group is told to who watches it, through the pipe `watched`.

    On Linux the kernel kills the child when the thread that started it ends, even by `kill -9`.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None
    parent = os.getpid()

    def hook() -> None:
        if watched is not None:
            os.write(watched, b"%d\n" % os.getpid())
        if prctl is None:
            return
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
    watched: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` as leader of its own process group, with exactly `env`, tied to the life of the calling thread.

    Its group is told to who reads from the pipe `watched`.
    """
    return subprocess.Popen(
        [str(part) for part in argv],
        env=dict(env),
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
        preexec_fn=_before_it_starts(watched),
    )


@contextlib.contextmanager
def spawned_group(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: int | IO[Any] = subprocess.DEVNULL,
    stdout: int | IO[Any],
    stderr: int | IO[Any],
) -> Iterator[subprocess.Popen[bytes]]:
    """As `spawn`, for the length of the block; what the program starts ends with it too, and with us by `kill -9`."""
    with _watcher() as watched:
        process = spawn(argv, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, watched=watched)
        try:
            yield process
        finally:
            end_group(process)


@contextlib.contextmanager
def _watcher() -> Iterator[int]:
    """A pipe to who ends the group that it is told, should we be killed within the block."""
    told, held = os.pipe()
    with os.fdopen(held, "wb"):
        try:
            argv, null = ["/bin/sh", "-c", _WATCHER], subprocess.DEVNULL
            watcher = subprocess.Popen(
                argv, env={}, cwd="/", stdin=told, stdout=null, stderr=null, start_new_session=True
            )
        finally:
            os.close(told)
        try:
            yield held
        finally:
            watcher.kill()
            watcher.wait()


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


_CLIENT_NAMES = {
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR", "NETRC"),
    *("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
}
_CLIENT_PREFIXES = ("GIT_SSL", "LC_", "SSL_CERT_", "XDG_")
_OWN_PREFIXES = {"npm": ("NODE_", "NPM_"), "uv": ("PIP_", "UV_")}
_PUBLISHING_PREFIX = "UV_PUBLISH_"
_TRUST_STORES = ("etc/ssl/certs/*", "etc/ssl/cert.pem", "etc/pki/tls/certs/*")
_TRUSTING = {"UV_SYSTEM_CERTS": "true", "NODE_USE_SYSTEM_CA": "1"}


def client_environment(
    environ: Mapping[str, str] = os.environ, *, clients: Sequence[Literal["npm", "uv"]] = ("npm", "uv")
) -> dict[str, str]:
    """The environment for package `clients`: the user's own places, mirror and proxy settings, nothing else.

    Names count in any case, as they do for proxies and npm. Where this machine has a trust store, its certificates
    count too, as they do for pip and git: uv and Node.js would know only their own.
    """
    trusting = _TRUSTING if any(next(Path("/").glob(store), None) for store in _TRUST_STORES) else {}
    prefixes = (*_CLIENT_PREFIXES, *(prefix for client in clients for prefix in _OWN_PREFIXES[client]))
    given = {**trusting, **environ}
    return {name: value for name, value in given.items() if _concerns_clients(name.upper(), prefixes)}


def bare_environment(home: Path) -> dict[str, str]:
    """The environment for anybody else's program, built from nothing: its home and its temporary folder are `home`."""
    return {"PATH": os.defpath, "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"}


def quotable(said: str, environment: Mapping[str, str]) -> str:
    """What a program that was given `environment` said, fit to be shown and kept: errors can quote a credential."""
    named = (value for name, value in environment.items() if names_a_credential(name))
    return Redactor((*named, *_within_addresses(environment.values()))).text(said)


def _within_addresses(values: Iterable[str]) -> Iterator[str]:
    """What stands between "://" and the last "@" of each address, whatever it is made of; the password alone, too."""
    for value in values:
        for address in value.split("://")[1:]:  # there may be several
            user_and_password = address.rpartition("@")[0]
            yield user_and_password
            yield user_and_password.partition(":")[2]


def _concerns_clients(name: str, prefixes: tuple[str, ...]) -> bool:
    named = name in _CLIENT_NAMES or name.startswith(prefixes)
    return named and not name.startswith(_PUBLISHING_PREFIX)
