"""The real CLI (from the shared cache), a Messages API and a package registry on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from compat_pipeline.claude.binary import ClaudeCli, ensure_cli
from compat_pipeline.claude.driver import Sandbox
from compat_pipeline.claude.npm import Npm
from compat_pipeline.claude.release import resolve_claude_code
from compat_pipeline.ground.home import CompatHome
from compat_pipeline_tests.claude.loopback import LoopbackApi, loopback_api
from compat_pipeline_tests.claude.registry import LoopbackRegistry, loopback_registry

CLI_VERSION = "2.1.329"


@pytest.fixture(scope="session")
def claude_cli() -> ClaudeCli:
    cache = CompatHome.from_env().cache
    npm = Npm(cache)
    return ensure_cli(resolve_claude_code(CLI_VERSION, npm, datetime.now(timezone.utc)), cache, npm)


@pytest.fixture
def api() -> Iterator[LoopbackApi]:
    with loopback_api() as up:
        yield up


@pytest.fixture
def registry() -> Iterator[LoopbackRegistry]:
    with loopback_registry() as up:
        yield up


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "scratch") as folder:
        yield folder


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Make a shell script that stands in for the CLI where only a process's behaviour counts."""

    def make(body: str) -> Path:
        path = tmp_path / "stand-in"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return make
