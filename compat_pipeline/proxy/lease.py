"""Leasing a proxy: the first lease starts it, others share it, the last one's end takes it down."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, make_folder, write_atomically
from compat_pipeline.ground.process import bare_environment
from compat_pipeline.proxy.folder import POLL_S, RuntimeFolder
from compat_pipeline.proxy.image import ENGINE_VARIABLES, ProxyImage
from compat_pipeline.proxy.process import PACKAGE_PARENT, last_lines
from compat_pipeline.proxy.runtime import Runtime, RuntimeSpec
from compat_pipeline.relay.accounts import Accounts

__all__ = ["ProxyDown", "Runtime", "RuntimeSpec", "lease", "reap", "stop_idle", "why_down"]

log = logging.getLogger(__name__)

_NOTICE_S = 3.0


class ProxyDown(CompatError):
    """The proxy did not come up; the message holds its last log lines."""


@contextmanager
def lease(
    spec: RuntimeSpec, home: CompatHome, *, linger_s: float, accounts: Accounts | None = None
) -> Iterator[Runtime]:
    """A proxy that is up and was tried on every route, for the length of the block.

    Leases of the same `spec.key`, in any process, share one. It is gone when the last block has ended, at once when
    that ended by an exception, else after `linger_s` seconds in which nobody leased it; and when the process of the
    last lease is killed. Progress is logged. A live one needs the `accounts` of which the spec has the digest.
    Raises ProxyDown; for one in a container also CompatError where no engine answers.
    """
    folder = RuntimeFolder.of(home, spec.key)
    if isinstance(spec.installed, ProxyImage):
        from compat_pipeline.proxy.container import reap_containers  # few have an engine's client to load

        reap_containers(home.root)
    with _held(folder, spec, accounts, linger_s):
        yield _wait_for(folder, spec.release.version)


def stop_idle(home: CompatHome) -> None:
    """Take down every runtime of this place that no lease holds, without waiting for it to linger."""
    for folder in RuntimeFolder.every(home):
        with folder.changing():
            if folder.is_here and not folder.is_held():
                folder.take_down()


def reap(home: CompatHome) -> None:
    """Remove the state that a supervisor left that was killed, in any place, and kill those of its processes here."""
    for folder in RuntimeFolder.every(home):
        with folder.changing():
            if not folder.is_supervised():
                folder.clear()


def why_down(home: CompatHome, runtime: Runtime) -> str | None:
    """None while `runtime` is the one that runs; else how it ended, with its last log lines."""
    folder = RuntimeFolder.of(home, runtime.key)
    running = all(process.running for process in folder.recorded()) and _listens(runtime.proxy_url)
    if running and _is_current(folder, runtime):
        return None
    deadline = time.monotonic() + _NOTICE_S
    while (reason := folder.recorded_end()) is None and folder.is_supervised() and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return reason or "the proxy was killed, or taken down, before the run was over"


@contextmanager
def _held(folder: RuntimeFolder, spec: RuntimeSpec, accounts: Accounts | None, linger_s: float) -> Iterator[None]:
    """Hold a lease on a runtime that is starting or up; the last one out ends it, or lets it linger."""
    with folder.changing():
        mine = folder.hold()
    wait_s = 0.0
    try:
        with folder.changing():
            if not folder.is_supervised() or folder.recorded_end() is not None:
                folder.take_down()
                _start_supervisor(folder, spec, accounts)
        yield
        wait_s = linger_s
    finally:
        with folder.changing():
            folder.release(mine)
            if not folder.is_held():
                if wait_s > 0 and folder.is_supervised() and folder.recorded_end() is None:
                    folder.linger(wait_s)
                else:
                    folder.take_down()


def _start_supervisor(folder: RuntimeFolder, spec: RuntimeSpec, accounts: Accounts | None) -> None:
    """Start it detached: it must outlive us as long as others hold a lease, and it ends by itself when nobody does."""
    make_folder(folder.logs)
    write_atomically(folder.spec, spec.model_dump_json())
    if accounts is not None:
        write_atomically(folder.accounts, accounts.model_dump_json(), mode=0o600)
    # The lock is taken here and inherited, so that there is no moment at which a started supervisor looks dead.
    descriptor = os.open(folder.supervisor, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with folder.progress.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "compat_pipeline.proxy.supervisor", folder.root, folder.logs],
                env={
                    **bare_environment(folder.root),
                    "PYTHONPATH": str(PACKAGE_PARENT),
                    **{name: os.environ[name] for name in ENGINE_VARIABLES if name in os.environ},
                },
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[descriptor],
            )
        os.write(descriptor, str(process.pid).encode())
    finally:
        os.close(descriptor)
    threading.Thread(target=process.wait, daemon=True).start()  # leaves no zombie behind


def _wait_for(folder: RuntimeFolder, version: str) -> Runtime:
    """The descriptor once it is there, telling each stage of the start; raises ProxyDown."""
    with folder.progress.open(errors="replace") as stages:
        while True:
            alive = folder.is_supervised()
            if folder.runtime.exists():
                return Runtime.load(folder.runtime)
            for stage in stages:
                log.info("%s", stage.rstrip())
            if not alive:
                reason = folder.recorded_end() or f"its supervisor is gone:\n{last_lines(folder.progress)}"
                raise ProxyDown(f"LiteLLM {version} did not come up: {reason}", f"read the logs in {folder.logs}")
            time.sleep(POLL_S)


def _listens(url: str) -> bool:
    """A container can run on behind a port that nobody serves any more: that is the engine's to do."""
    address = urlsplit(url)
    try:
        with socket.create_connection((str(address.hostname), address.port or 80), _NOTICE_S):
            return True
    except OSError:
        return False


def _is_current(folder: RuntimeFolder, runtime: Runtime) -> bool:
    try:
        return Runtime.load(folder.runtime) == runtime
    except CompatError:
        return False
