"""The suite in a container of its own: the engine, pytest and the door are real, the row is made up."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.types import Mount

import compat_pipeline
from compat_pipeline.domain.observation import Inconclusive, Observation, Pass
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.container import reap_containers
from compat_pipeline.suite import container, runner
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline_tests.container import look_around
from compat_pipeline_tests.container.engine import Engine
from compat_pipeline_tests.container.images import SERVES, borrowing_image, stand_in_image
from compat_pipeline_tests.container.test_lease import containers_of, left_of
from compat_pipeline_tests.proxy.leased import eventually, home_in
from compat_pipeline_tests.suite.made_up import settings_in, trials_of, write_manifest, write_row

MODELS = ("first", "second")
PASSES = 'def test_it(cell, compat_result):\n    compat_result.set({"status": "pass"})\n'
SLEEPS = "import time\ndef test_it(cell, compat_result):\n    print('so far so good')\n    time.sleep(600)\n"
LOOKS = """
import json
from compat_pipeline.suite.made_up.look_around import seen

def test_it(cell, compat_result):
    compat_result.set({{"status": "fail", "error": json.dumps(seen(*json.loads({targets!r})))}})
"""
NAME = "compat-neighbour"


@pytest.fixture(scope="module")
def image(engine: Engine, client: docker.DockerClient) -> str:
    if not engine.ours:
        pytest.skip("the container engine is not the tests' own, so that no image can borrow Python")
    return borrowing_image(client, Path(sys.executable))


@dataclass(frozen=True)
class Stage:
    """A home, and a copy of the package that has one row more."""

    home: CompatHome
    suite: Path
    settings: SuiteSettings
    image: str

    def has(self, test: str) -> None:
        shutil.rmtree(self.suite / "made_up", ignore_errors=True)
        write_row(self.suite, test)

    def run(self, *models: str, image: str = "") -> Iterator[Observation]:
        trials = trials_of(models or MODELS[:1])
        return runner.run_suite(trials, self.settings, self.home, workers=2, artifact=True, image=image or self.image)


@pytest.fixture
def stage(image: str, client: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    package = Path(compat_pipeline.__file__).parent
    suite = Path(shutil.copytree(package, tmp_path / "code" / package.name)) / "suite"
    monkeypatch.setattr(runner, "SUITE", suite)
    monkeypatch.setenv("COMPAT_MANIFEST", str(write_manifest(tmp_path / "manifest.yaml", MODELS)))
    (claude := tmp_path / "claude").touch()
    settings = settings_in(tmp_path).model_copy(
        update={
            "claude": claude,
            "proxy_key": f"{look_around.PLANTED}proxy-key",
            "control_token": f"{look_around.PLANTED}control-token",
            "upstream_secrets": (f"{look_around.PLANTED}account",),
        }
    )
    home = home_in(tmp_path / "home")
    yield Stage(home, suite, settings, image)
    reap_containers(home.root)
    assert left_of(home, client) == []
    assert list(home.scratch.glob("scratch-*")) == []


def test_every_cell_is_reported_as_it_ends_and_nothing_is_left(stage: Stage, client: docker.DockerClient) -> None:
    stage.has(PASSES)
    seen = list(stage.run(*MODELS))
    assert sorted((one.model, one.outcome.status) for one in seen) == [("first", "pass"), ("second", "pass")]
    assert left_of(stage.home, client) == []
    artifact = json.loads(stage.home.results.read_bytes())
    assert [one["model"] for one in artifact["results"]] == [one.model for one in seen]
    assert "2 passed" in (stage.home.logs / "suite.log").read_text()
