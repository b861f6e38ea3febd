"""Homes and runs for the tests that start everything for real: CLI, proxy, upstreams, Dagster."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.folder import RuntimeFolder
from compat_pipeline_tests.pins import CLAUDE_CODE, LITELLM

BIN = Path(sys.executable).parent
LOCATION = ("-m", "compat_pipeline.definitions")
PATIENCE_S = 900
"""How long anything may take: only what hangs is ended by it, however slow the machine."""
SMALL_MANIFEST = """
features:
  - {id: basic_messaging_streaming, name: Basic messaging (streaming)}
  - {id: vision, name: Vision}
providers:
  - {id: anthropic, name: Anthropic, routes: {claude-haiku-4-5: anthropic/claude-haiku-4-5}}
  - id: bedrock_converse
    name: Bedrock (Converse)
    routes: {claude-haiku-4-5: "bedrock/converse/us.anthropic.claude-haiku-4-5-20251001-v1:0"}
models: [{id: claude-haiku-4-5, name: Claude Haiku 4.5}]
"""


@dataclass(frozen=True)
class Site:
    """One COMPAT_HOME and the environment of the commands that work in it."""

    home: CompatHome
    environment: dict[str, str]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / command[0]), *map(str, command[1:])],
            env=self.environment,
            cwd=self.home.root,
            text=True,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def processes(self) -> list[str]:
        """Command lines of all living processes that belong to this home."""
        found = []
        for process in psutil.process_iter():
            try:
                if str(self.home.root) in " ".join([*process.cmdline(), *process.environ().values()]):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return [line for line in found if line]


def make_site(root: Path, shared_cache: Path, **variables: str) -> Site:
    """A new home under `root` with the pinned versions and the cache that all tests share."""
    home = CompatHome(root=root / "home", cache=shared_cache)
    home.root.mkdir(parents=True)
    pins = {"COMPAT_LITELLM_VERSION": LITELLM, "COMPAT_CLAUDE_CODE_VERSION": CLAUDE_CODE}
    places = {"COMPAT_HOME": str(home.root), "COMPAT_CACHE": str(home.cache), "DAGSTER_HOME": str(home.dagster)}
    return Site(home, {**os.environ, **pins, **places, **variables})


def make_small_site(root: Path, shared_cache: Path, **variables: str) -> Site:
    """A new home whose manifest plans four cells, with Dagster's settings in place."""
    (root / "manifest.yaml").write_text(SMALL_MANIFEST)
    site = make_site(root, shared_cache, COMPAT_MANIFEST=str(root / "manifest.yaml"), **variables)
    site.home.dagster.mkdir()
    settings = Path(__file__).parents[2] / "dagster.yaml"
    (site.home.dagster / "dagster.yaml").write_text(settings.read_text())
    return site


@pytest.fixture(scope="session")
def full_site(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Site:
    """A home for the whole matrix."""
    return make_site(tmp_path_factory.mktemp("full"), shared_cache)


@pytest.fixture(scope="session")
def full_run(full_site: Site) -> subprocess.CompletedProcess[str]:
    """`compat run` of all 90 cells, once."""
    return full_site.run("compat", "run")


@pytest.fixture(scope="module")
def small_site(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Site:
    return make_small_site(tmp_path_factory.mktemp("small"), shared_cache)


@contextmanager
def held(folder: RuntimeFolder) -> Iterator[None]:
    """A lease on what runs there, so that whoever comes next meets it: a start is most of a short run."""
    with folder.changing():
        mine = folder.hold()
    try:
        yield
    finally:
        with folder.changing():
            folder.release(mine)


def free_port() -> int:
    """A loopback port that is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, happened: Callable[[], Any]) -> Any:
    """Poll until `happened` returns something true."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if result := happened():
            return result
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {PATIENCE_S} s")
