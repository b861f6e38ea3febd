"""The real LiteLLM in a container: it serves every route, and cells of a suite in another container pass through it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar

import docker
import pytest

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Pass
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.ledger import Ledger
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import Runtime
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex
from compat_pipeline.resources.runtime import ProxyRuntime
from compat_pipeline_tests.container.engine import Engine
from compat_pipeline_tests.container.images import borrowing_image, litellm_image
from compat_pipeline_tests.container.test_lease import containers_of, left_of
from compat_pipeline_tests.pins import CLAUDE_CODE

CELLS = [
    Cell("basic_messaging_streaming", "anthropic", "claude-haiku-4-5"),
    Cell("attribution", "anthropic", "claude-haiku-4-5"),  # reads LiteLLM's ledger
]


class WatchedRuntime(ProxyRuntime):
    """`routes`: how each answered; `proven`: whether LiteLLM kept its ledger and the health check passed."""

    routes: ClassVar[set[str]] = set()
    proven: ClassVar[list[bool]] = []

    @contextmanager
    def lease(self, *args: object, **options: object) -> Iterator[Runtime]:
        with super().lease(*args, **options) as up:  # type: ignore[arg-type]
            assert up.image_digest
            self.routes.update(up.routes.values())
            yield up
            self.proven.extend([Ledger(up.ledger).kept, is_healthy(CompatHome.from_env())])


def is_healthy(home: CompatHome) -> bool:
    """Whether the engine's health check, which it runs now and then, would pass now."""
    with closing(docker.DockerClient(os.environ["DOCKER_HOST"])) as client:
        (container,) = containers_of(home, client)
        check = container.attrs["Config"]["Healthcheck"]["Test"]
        return bool(container.exec_run(check[1:]).exit_code == 0)


def test_every_route_answers_and_cells_pass_from_the_suite_s_container_through_that_of_the_real_litellm(
    engine: Engine,
    client: docker.DockerClient,
    litellm_release: LitellmRelease,
    proxy_venv: ProxyVenv,
    shared_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not engine.ours:
        pytest.skip("the container engine is not the tests' own, so that no image can borrow LiteLLM")
    settings = {
        "COMPAT_HOME": str(tmp_path / "home"),
        "COMPAT_CACHE": str(shared_cache),
        "COMPAT_PROXY": "container",
        "COMPAT_RUNNER": "container",
        "COMPAT_RUNNER_IMAGE": borrowing_image(client, Path(sys.executable)),
        "COMPAT_LITELLM_IMAGE": (image := litellm_image(client, proxy_venv)),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    npm, runtime = NpmRegistry(), WatchedRuntime(linger_s=0)
    runner = CellRunner(home=Home(), python_index=PythonIndex(), npm=npm, runtime=runtime, workers=1)
    seen = list(runner.observe(litellm_release, npm.resolve(CLAUDE_CODE), CELLS, "run"))
    assert [(one.cell, one.outcome) for one in seen] == [(cell, Pass()) for cell in CELLS]
    assert (runtime.routes, runtime.proven) == ({"ok"}, [True, True])
    calls = [call for one in seen for call in Home().evidence.read(one.evidence or "").calls]
    assert {call.argv[0] for call in calls} == {"/claude"}
    assert left_of(CompatHome.from_env(), client) == []
    shutil.rmtree(shared_cache / "litellm" / "images" / image.partition(":")[2])
