"""A proxy that tests lease: its home, what of it is still there, and another process that holds it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.folder import RuntimeFolder
from compat_pipeline.proxy.lease import Runtime, RuntimeSpec, lease

LONG_S = 600.0


def home_in(folder: Path) -> CompatHome:
    return CompatHome(root=folder, cache=folder / "cache")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> CompatHome:
    return home_in(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def up(spec: RuntimeSpec, home: CompatHome) -> Iterator[Runtime]:
    """One proxy for the tests that only look at it."""
    with lease(spec, home, linger_s=0) as runtime:
        yield runtime


def processes_of(home: CompatHome) -> list[psutil.Process]:
    """Every living process that was started for `home`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(home.root) in word for word in words):
                found.append(process)
    return found


def eventually(condition: Callable[[], bool], patience_s: float = 120) -> bool:
    deadline = time.monotonic() + patience_s
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return met


def is_gone(home: CompatHome) -> bool:
    return not processes_of(home) and RuntimeFolder.every(home) == []


def child(home: CompatHome, key: str, name: str) -> int:
    return next(process.pid for process in RuntimeFolder.of(home, key).recorded() if process.name == name)


@contextmanager
def holder(spec: RuntimeSpec, home: CompatHome, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lease with a long linger; its first line of output is the proxy's address."""
    (file := folder / "spec.json").write_text(spec.model_dump_json())
    argv = [sys.executable, "-m", "compat_pipeline_tests.proxy.holder", file, home.root, home.cache]
    process = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
