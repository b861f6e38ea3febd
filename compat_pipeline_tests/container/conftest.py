"""A container engine, or a word about there being none."""

from __future__ import annotations

import os
from collections.abc import Iterator

import docker
import pytest

from compat_pipeline_tests.container.engine import Engine, NoEngine, shared_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine, for as long as this process has tests; DOCKER_HOST names it. On CI there must be one."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            with shared_engine() as found:
                patch.setenv("DOCKER_HOST", found.host)
                yield found
        except NoEngine:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no container engine")


@pytest.fixture(scope="session")
def client(engine: Engine) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(engine.host, timeout=60)
    yield client
    client.close()
