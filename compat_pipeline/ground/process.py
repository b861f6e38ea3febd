"""Starting and ending other programs so that none outlives us."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.domain.secret_shapes import names_a_credential

_PR_SET_PDEATHSIG = 1
_WATCHER = 'read -r group && { read -r _ <&1; kill -9 "-$group"; }'
"""Told a group on its standard input, it ends the whole of it once nobody holds the other end of the pipe that stands
in the place of its standard output."""
_FIRST_TOLD = 'echo $$ >"$0" && unset PWD OLDPWD SHLVL && exec "$@"'
"""Tells who watches which group is to be watched, then becomes the program, which is the leader of that group.

What a shell adds to the environment is taken away again. The program inherits the pipe, which nobody reads any more."""


def _dying_with_us() -> Callable[[], None] | None:
    """A hook for the child: on Linux the kernel kills it when the thread that started it ends, even by `kill -9`."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

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
        preexec_fn=_dying_with_us(),
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
    program, *arguments = map(str, argv)
    with _watcher() as tell:
        # No hook here: for its sake all our memory would be copied for each call of a program, to be thrown away.
        process = subprocess.Popen(
            ["/bin/sh", "-c", _FIRST_TOLD, f"/dev/fd/{tell}", _found(program, env), *arguments],
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=[tell],
            start_new_session=True,
        )
        try:
            yield process
        finally:
            end_group(process)


def _found(program: str, env: Mapping[str, str]) -> str:
    """Where `program` is; OSError where it would not start, which the shell before it could only say in words."""
    if found := shutil.which(program, path=env.get("PATH", os.defpath)):
        return found
    number = errno.EACCES if Path(program).exists() else errno.ENOENT
    raise OSError(number, os.strerror(number), program)


@contextlib.contextmanager
def _watcher() -> Iterator[int]:
    """A pipe to who ends the group that it is told, should we be killed within the block."""
    with contextlib.ExitStack() as ours:
        told, tell = _pipe(ours)
        until, _ = _pipe(ours)  # nobody but us has its other end
        watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHER],
            env={},
            cwd="/",
            stdin=told,
            stdout=until,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        ours.callback(watcher.wait)
        ours.callback(watcher.kill)
        yield tell


def _pipe(closing: contextlib.ExitStack) -> tuple[int, int]:
    """The two ends of a new pipe, which are closed with `closing`."""
    ends = os.pipe()
    for end in ends:
        closing.callback(os.close, end)
    return ends


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
