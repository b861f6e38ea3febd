"""A container engine and an image registry, or the names of the tests that did not run without them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache

import docker
import pytest

from compat_pipeline_tests.container import registry
from compat_pipeline_tests.container.engine import Engine, NoEngine, shared_engine
from compat_pipeline_tests.machine import not_run_without

_held = ExitStack()


@cache
def _found() -> Engine | None:
    try:
        return _held.enter_context(shared_engine())
    except NoEngine:
        return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without an engine or a registry a test is told by its name as not run; on CI it fails."""
    wanted = getattr(item, "fixturenames", ())
    lacks = (
        *(["container engine"] if "engine" in wanted and _found() is None else []),
        *(["image registry"] if "registry" in wanted and not shutil.which(registry.PROGRAM) else []),
    )
    not_run_without(item, *lacks)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine, for as long as this process has tests; DOCKER_HOST names it."""
    found = _found()
    assert found is not None
    with _held, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", found.host)
        yield found


@pytest.fixture(scope="session")
def client(engine: Engine) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(engine.host, timeout=60)
    yield client
    client.close()
