"""The container engine of the tests: one for the machine, shared by all their processes; the last one out stops it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import docker

from compat_pipeline.ground.lock import is_locked, locked
from compat_pipeline_tests.container import borrowing

_START_S = 30
_STOP_S = 20


class NoEngine(Exception):
    """No engine answers, and none can be started."""


@dataclass(frozen=True)
class Engine:
    """`host`: the value of DOCKER_HOST. `ours`: started by the tests, so that images can borrow folders."""

    host: str
    ours: bool


@contextmanager
def shared_engine() -> Iterator[Engine]:
    """The engine that DOCKER_HOST names, if it answers; else one that the tests start, where they may; else the
    machine's own. Raises NoEngine."""
    if not shutil.which("busybox"):  # every image of the tests is made of it
        raise NoEngine
    named = os.environ.get("DOCKER_HOST")
    if named and _answers(named):
        yield Engine(named, ours=False)
    elif os.getuid() == 0 and shutil.which("dockerd"):
        with _ours() as host:
            yield Engine(host, ours=True)
    elif _answers(usual := "unix:///var/run/docker.sock"):
        yield Engine(usual, ours=False)
    else:
        raise NoEngine


@contextmanager
def _ours() -> Iterator[str]:
    folder = Path(tempfile.gettempdir(), f"compat-engine-{os.getuid()}")
    users, changing = folder / "users", folder.with_suffix(".lock")
    me, host = users / str(os.getpid()), f"unix://{folder}/docker.sock"
    with locked(changing):
        users.mkdir(parents=True, exist_ok=True)
        using = locked(me)
        using.__enter__()
        if not _answers(host):
            _start(folder, host)
    try:
        yield host
    finally:
        with locked(changing):
            using.__exit__(None, None, None)
            me.unlink()
            if not any(is_locked(user) for user in users.iterdir()):
                _stop(folder)


def _start(folder: Path, host: str) -> None:
    for left in ("data", "exec"):
        shutil.rmtree(folder / left, ignore_errors=True)
    (folder / "docker.pid").unlink(missing_ok=True)
    runtime = folder / "runtime"
    borrow = f'case "$*" in *\' create \'*) {sys.executable} -IS {borrowing.__file__} "$@";; esac'
    runtime.write_text(f'#!/bin/sh\n{borrow}\nexec runc "$@"\n')
    runtime.chmod(0o755)
    places = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "docker.pid"}
    options = [f"{name}={folder / place}" for name, place in places.items()]
    with (folder / "log").open("wb") as log:
        subprocess.Popen(
            [
                "dockerd",
                "-H",
                host,
                *options,
                "--add-runtime",
                f"borrowing={runtime}",
                "--default-runtime",
                "borrowing",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_S
    while not _answers(host):
        if time.monotonic() > deadline:
            raise NoEngine
        time.sleep(0.1)


def _stop(folder: Path) -> None:
    with suppress(OSError, ValueError):
        pid = int((folder / "docker.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        while (folder / "docker.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def _answers(host: str) -> bool:
    try:
        client = docker.DockerClient(host, timeout=60)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    finally:
        client.close()
