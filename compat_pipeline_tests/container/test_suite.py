"""The suite in a container of its own: the engine, pytest and the door are real, the row is made up."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import docker
import pytest
from docker.types import Mount

import compat_pipeline
from compat_pipeline.domain.observation import Fail, Inconclusive, Observation
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.container import reap_containers
from compat_pipeline.suite import container, runner
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline_tests.container import look_around
from compat_pipeline_tests.container.engine import Engine
from compat_pipeline_tests.container.images import borrowing_image, stand_in_image
from compat_pipeline_tests.container.test_lease import containers_of, left_of
from compat_pipeline_tests.proxy.leased import eventually, home_in
from compat_pipeline_tests.suite.made_up import settings_in, trials_of, write_manifest, write_row

MODELS = ("first", "second")
PASSES = 'def test_it(cell, compat_result):\n    compat_result.set({"status": "pass"})\n'
SLEEPS = """
import pathlib, time

def test_it(cell, compat_result):
    pathlib.Path("/proc/1/fd/2").write_text("so far so good\\n")  # past pytest, which keeps what a test says to itself
    time.sleep(600)
"""
LOOKS = """
import json
from compat_pipeline.suite.made_up.look_around import seen

def test_it(cell, compat_result):
    compat_result.set({{"status": "fail", "error": json.dumps(seen(*json.loads({targets!r})))}})
"""
HOLDS = """
import sys
from pathlib import Path
from compat_pipeline.suite.runner import run_suite
from compat_pipeline_tests.proxy.leased import home_in
from compat_pipeline_tests.suite.made_up import settings_in, trials_of

folder = Path(sys.argv[1])
list(run_suite(
    trials_of(["first"]), settings_in(folder), home_in(folder / "home"), workers=1, artifact=False, image=sys.argv[2]
))
"""


@dataclass(frozen=True)
class Neighbourhood:
    """A network, by its name, which is that of a container on it, too; `servers`: what listens there -> where."""

    name: str
    servers: dict[str, tuple[str, int]]

    @property
    def told(self) -> str:
        return json.dumps([self.servers, self.name])


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

    def run(self, *models: str, workers: int = 1, image: str = "") -> Generator[Observation, None, None]:
        trials = trials_of(models or MODELS[:1])
        image = image or self.image
        return runner.run_suite(trials, self.settings, self.home, workers=workers, artifact=True, image=image)


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
    seen = list(stage.run(*MODELS, workers=2))
    assert sorted((one.model, one.outcome.status) for one in seen) == [("first", "pass"), ("second", "pass")]
    assert left_of(stage.home, client) == []
    artifact = json.loads(stage.home.results.read_bytes())
    assert [one["model"] for one in artifact["results"]] == [one.model for one in seen]
    assert "2 passed" in (stage.home.logs / "suite.log").read_text()


@pytest.fixture
def neighbourhood(client: docker.DockerClient) -> Iterator[Neighbourhood]:
    """This machine on a network of the engine's, and a container there."""
    name = f"compat-neighbour-{token_hex(4)}"
    network = client.networks.create(name)
    try:
        network.reload()
        gateway = str(network.attrs["IPAM"]["Config"][0]["Gateway"])
        answers = stand_in_image(client)
        neighbour = client.containers.run(answers, entrypoint=["litellm"], network=name, name=name, detach=True)
        try:
            neighbour.reload()
            address = neighbour.attrs["NetworkSettings"]["Networks"][name]["IPAddress"]
            with (
                closing(socket.create_server((gateway, 0))) as on_the_bridge,
                closing(socket.create_server(("0.0.0.0", 0))) as everywhere,  # noqa: S104
            ):
                servers = {
                    "this machine, on the bridge": on_the_bridge.getsockname(),
                    "this machine, on every address": (gateway, everywhere.getsockname()[1]),
                    "another container": (address, 4000),
                }
                yield Neighbourhood(name, servers)
        finally:
            neighbour.remove(force=True)
    finally:
        network.remove()


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file with a secret; others are in the environment, in an argument and in another process's environment."""
    monkeypatch.setenv("COMPAT_DOCS_TOKEN", f"{look_around.PLANTED}docs")
    (file := tmp_path / "home" / "app.pem").parent.mkdir()
    file.write_text(f"{look_around.PLANTED}key")
    waits = [sys.executable, "-c", "import sys; sys.stdin.read()", f"{look_around.PLANTED}word"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE):
        yield file


@pytest.mark.usefixtures("secrets")
def test_nothing_is_in_reach_but_the_door_and_no_secret_is_in_sight(stage: Stage, neighbourhood: Neighbourhood) -> None:
    stage.has(LOOKS.format(targets=neighbourhood.told))
    shutil.copy(look_around.__file__, stage.suite / "made_up")
    (seen,) = stage.run()
    assert isinstance(seen.outcome, Fail)
    assert json.loads(seen.outcome.error) == ["a socket: /door"]


def test_the_same_look_around_sees_all_of_it_where_nothing_is_confined(
    image: str, client: docker.DockerClient, engine: Engine, neighbourhood: Neighbourhood, secrets: Path
) -> None:
    script, docks = "/look_around.py", engine.host.removeprefix("unix://")
    shown = {script: look_around.__file__, "/app.pem": str(secrets), "/docker.sock": docks}
    said = client.containers.run(
        image,
        entrypoint=["sh", "-c", '"$@" & wait', "sh", "python3", "-IS", script, neighbourhood.told],
        network=neighbourhood.name,
        pid_mode="host",
        environment={"COMPAT_DOCS_TOKEN": f"{look_around.PLANTED}docs"},
        mounts=[Mount(target, source, type="bind", read_only=True) for target, source in shown.items()],
        remove=True,
    )
    assert set(json.loads(said)) >= {
        *(f"reached: {what}" for what in neighbourhood.servers),
        *(f"a way to: {what}" for what in look_around.ROUTES),
        "resolved: a name",
        "a socket: /docker.sock",
        "a secret: the environment",
        "a secret: a process's environ",
        "a secret: a process's cmdline",
        "a secret: /app.pem",
    }


def test_a_container_that_is_killed_leaves_its_cell_open_with_its_last_words(
    stage: Stage, client: docker.DockerClient
) -> None:
    stage.has(SLEEPS)
    with ThreadPoolExecutor() as pool:
        run = pool.submit(lambda: list(stage.run()))
        logs = stage.home.scratch.glob
        assert eventually(lambda: any("so far" in log.read_text() for log in logs("scratch-*/suite.log")))
        containers_of(stage.home, client)[0].kill()
        (seen,) = run.result()
    assert isinstance(seen.outcome, Inconclusive)
    assert seen.outcome.cause == "environment"
    assert seen.outcome.error == "the suite was killed by signal 9; its last lines:\n    so far so good"


def test_a_container_that_runs_out_of_memory_leaves_its_cell_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_MEMORY_BYTES", 16 << 20)
    stage.has(PASSES)
    (seen,) = stage.run()
    assert isinstance(seen.outcome, Inconclusive)
    assert seen.outcome.cause == "environment"
    assert "the suite was killed" in seen.outcome.error


def test_who_stops_reading_ends_the_container(stage: Stage, client: docker.DockerClient) -> None:
    stage.has(f"import time\n{PASSES}    time.sleep(600 if cell.model == 'second' else 0)\n")
    with closing(stage.run(*MODELS)) as seen:
        assert next(seen).model == "first"
        assert len(containers_of(stage.home, client)) == 1
    assert left_of(stage.home, client) == []


def test_what_a_killed_holder_left_is_gone_after_the_next_start_even_of_one_that_fails(
    stage: Stage, client: docker.DockerClient
) -> None:
    stage.has(SLEEPS)
    argv = [sys.executable, "-c", HOLDS, str(stage.home.root.parent), stage.image]
    places = {"PYTHONPATH": f"{stage.suite.parents[1]}:{Path(compat_pipeline.__file__).parents[1]}"}
    with subprocess.Popen(argv, env={**os.environ, **places}) as holder:
        assert eventually(lambda: any(one.status == "running" for one in containers_of(stage.home, client)))
        holder.kill()
    assert left_of(stage.home, client) != []
    (seen,) = stage.run(image="compat-none-such")
    assert left_of(stage.home, client) == []
    assert seen.outcome == Inconclusive(
        cause="environment", error="cannot start the suite's container: No such image: compat-none-such:latest"
    )


@pytest.mark.usefixtures("engine")
def test_an_image_that_is_not_there_says_how_it_is_built() -> None:
    with pytest.raises(CompatError, match=r"no image compat-none-such.*\n.*--target runner --tag compat-none-such"):
        container.runner_image("compat-none-such")
