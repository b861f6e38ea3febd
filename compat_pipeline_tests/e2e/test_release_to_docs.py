"""From a release on GitHub to a commit in the docs repository, by Dagster's daemon alone; GitHub is a stand-in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorTick, SensorInstigatorData

from compat_pipeline.domain.watch import Watch
from compat_pipeline.ground.process import end_group, spawn
from compat_pipeline.proxy.github_releases import REPOSITORY
from compat_pipeline.publication.outcome import MATRIX_FILE
from compat_pipeline_tests.e2e.conftest import BIN, LOCATION, Site, make_small_site, wait_for
from compat_pipeline_tests.github.conftest import app_key, app_pem, github, repository
from compat_pipeline_tests.github.samples import APP, subjects, touched
from compat_pipeline_tests.github.stand_in import GithubStandIn
from compat_pipeline_tests.github.state import Repository
from compat_pipeline_tests.proxy.registry import ImageRegistry, image_registry

__all__ = ["app_key", "app_pem", "github", "repository"]

SENSOR = "litellm_release_sensor"
BEFORE, SKIPPED_OVER, NEW = "1.106.0", "1.106.1", "1.106.2"


@pytest.fixture
def images() -> Iterator[ImageRegistry]:
    """A registry that holds the new release's image."""
    with image_registry() as registry:
        registry.images[f"litellm:v{NEW}"] = f"sha256:{'ab' * 32}"
        yield registry


@pytest.fixture
def site(
    tmp_path: Path,
    shared_cache: Path,
    github: GithubStandIn,
    repository: Repository,
    app_pem: str,
    images: ImageRegistry,
) -> Site:
    """A home that watches the stand-in's releases, has seen one of them, and publishes to its docs repository."""
    (tmp_path / "app.pem").write_text(app_pem)
    github.add_repository(REPOSITORY)
    github.publish_release(REPOSITORY, f"v{BEFORE}")
    made = make_small_site(
        tmp_path, shared_cache,
        COMPAT_LITELLM_VERSION="", COMPAT_LITELLM_SOURCE="github", COMPAT_GITHUB_API=github.url,
        COMPAT_LITELLM_IMAGE=f"{images.host}/litellm", COMPAT_DOCS_GITHUB=repository.full_name, COMPAT_DOCS_APP_ID=APP,
        COMPAT_DOCS_APP_KEY_FILE=str(tmp_path / "app.pem"), COMPAT_PUBLISH="emulated",
    )  # fmt: skip
    for words in (("cursor", SENSOR, "--set", Watch(version=BEFORE).dump()), ("start", SENSOR)):
        done = made.run("dagster", "sensor", *words, *LOCATION)
        assert done.returncode == 0, done.stderr
    return made


@contextmanager
def daemon(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster-daemon run`, for the length of the block."""
    with (site.home.root / "daemon.log").open("ab") as log:
        process = spawn(
            [BIN / "dagster-daemon", "run", *LOCATION], env=site.environment, cwd=site.home.root, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            end_group(process, grace_s=20)


def let_the_interval_pass(instance: dg.DagsterInstance) -> None:
    """As if the sensor's ticks so far had been an hour ago."""
    (state,) = instance.all_instigator_state()
    data = state.instigator_data
    assert isinstance(data, SensorInstigatorData)
    earlier = time.time() - 3600
    instance.update_instigator_state(
        state.with_data(data._replace(last_tick_timestamp=earlier, last_tick_start_timestamp=earlier))
    )


def ticks(instance: dg.DagsterInstance) -> list[InstigatorTick]:
    """All ticks of the sensor, newest first."""
    (state,) = instance.all_instigator_state()
    return list(instance.get_ticks(state.instigator_origin_id, state.selector_id))


def test_two_releases_within_one_tick_whose_daemon_is_killed_end_in_one_run_and_one_docs_commit(
    site: Site, github: GithubStandIn, repository: Repository, images: ImageRegistry
) -> None:
    def in_the_middle_of_the_tick() -> None:
        github.publish_release(REPOSITORY, f"v{SKIPPED_OVER}")
        github.publish_release(REPOSITORY, f"v{NEW}")
        os.killpg(first.pid, signal.SIGKILL)

    github.before("GET", "/releases$", in_the_middle_of_the_tick)
    with daemon(site) as first:
        wait_for("the tick in whose middle the daemon dies", lambda: first.poll() is not None)
    assert len(subjects(repository)) == 1

    with dg.DagsterInstance.from_config(str(site.home.dagster)) as instance, daemon(site):
        let_the_interval_pass(instance)
        wait_for("the docs commit", lambda: len(subjects(repository)) > 1)
        wait_for("the run's end", lambda: all(run.is_finished for run in instance.get_runs()))
        let_the_interval_pass(instance)
        wait_for("one more tick", lambda: ticks(instance)[0].skip_reason)
        (run,) = instance.get_runs()
        assert run.tags["compat/because"] == f"LiteLLM {NEW}"
        release = instance.get_latest_materialization_event(dg.AssetKey("litellm_release"))
        assert release is not None
        assert release.asset_materialization is not None
        assert release.asset_materialization.metadata["image_digest"].value == images.images[f"litellm:v{NEW}"]
        assert ticks(instance)[0].skip_reason == f"LiteLLM {NEW} was seen before, and nothing newer is asked for"

    newest, first_of_all = subjects(repository)
    assert (newest, first_of_all) == ("Claude Code compatibility: LiteLLM v1.106.2, Claude Code 2.1.329", "first")
    assert touched(repository) == [MATRIX_FILE]
    document = json.loads(repository.objects.text("main", MATRIX_FILE))
    assert {cell["status"] for row in document["features"] for cell in row["providers"].values()} == {"pass"}
