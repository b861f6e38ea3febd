"""The production instance and its workspace, as Dagster itself reads them; the values for Kubernetes beside them."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster._daemon.monitoring import run_monitoring
from dagster._serdes import ConfigurableClassData
from dagster_docker import DockerRunLauncher
from dagster_postgres import DagsterPostgresStorage

from compat_pipeline.ground.age import DAY_S

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read(DEPLOY / "compose.yaml")


@pytest.fixture
def instance(compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> InstanceRef:
    """Read with what the compose file puts into the daemon's environment."""
    for name, value in compose["services"]["daemon"]["environment"].items():
        monkeypatch.setenv(name, value)
    return InstanceRef.from_dir(str(DEPLOY))


def configuration(data: ConfigurableClassData | None) -> dict[str, Any]:
    assert data is not None
    loaded: dict[str, Any] = yaml.safe_load(data.config_yaml)
    return loaded


def test_its_storage_is_the_database_of_the_compose_file(instance: InstanceRef, compose: dict[str, Any]) -> None:
    assert instance.storage_data is not None
    assert instance.storage_data.class_name == DagsterPostgresStorage.__name__
    given = process_config(DagsterPostgresStorage.config_type(), configuration(instance.storage_data))
    assert given.success, given.errors
    assert given.value == {
        "postgres_url": compose["x-ours"]["environment"]["DAGSTER_PG_URL"],
        "should_autocreate_tables": True,
    }


def test_each_run_gets_a_container_that_is_removed_and_may_do_nothing_special(instance: InstanceRef) -> None:
    launcher = instance.run_launcher
    assert isinstance(launcher, DockerRunLauncher)
    asked = launcher.container_kwargs
    assert asked["auto_remove"]
    assert asked["read_only"]
    assert asked["cap_drop"] == ["ALL"]
    assert asked["security_opt"] == ["no-new-privileges"]


def test_a_run_is_handed_no_variable_that_the_daemon_lacks(instance: InstanceRef, compose: dict[str, Any]) -> None:
    launcher = instance.run_launcher
    assert isinstance(launcher, DockerRunLauncher)
    assert set(launcher.env_vars) <= set(compose["services"]["daemon"]["environment"])


def test_walks_wait_for_one_another_as_in_the_embedded_instance(instance: InstanceRef) -> None:
    assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
    embedded = read(ROOT / "dagster.yaml")["concurrency"]["runs"]["tag_concurrency_limits"]
    assert read(DEPLOY / "dagster.yaml")["concurrency"]["runs"]["tag_concurrency_limits"] == embedded
    chart = read(DEPLOY / "kubernetes" / "values.yaml")["dagsterDaemon"]["runCoordinator"]["config"]
    assert chart["queuedRunCoordinator"]["tagConcurrencyLimits"] == embedded


def test_a_run_whose_process_was_killed_does_not_keep_walks_waiting_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as embedded:
        run = embedded.create_run_for_job(dg.job(name="killed")(lambda: None))
        embedded.report_dagster_event(DagsterEvent(DagsterEventType.PIPELINE_START.value, run.job_name), run.run_id)
        (record,) = embedded.get_run_records()
        assert record.dagster_run.status is dg.DagsterRunStatus.STARTED
        monkeypatch.setattr(run_monitoring, "get_current_timestamp", lambda: time.time() + DAY_S)
        limit_s = float(embedded.run_monitoring_max_runtime_seconds)
        run_monitoring.check_run_timeout(embedded, record, logging.getLogger(), limit_s)
        (record,) = embedded.get_run_records()
    assert record.dagster_run.status is dg.DagsterRunStatus.FAILURE


def test_what_runs_write_is_on_the_volume_that_they_share(instance: InstanceRef, compose: dict[str, Any]) -> None:
    assert "home:/var/lib/compat" in compose["services"]["pipeline"]["volumes"]
    for data in (instance.local_artifact_storage_data, instance.compute_logs_data):
        assert configuration(data)["base_dir"].startswith("/var/lib/compat/")


def test_nothing_is_told_to_dagsters_makers(instance: InstanceRef) -> None:
    assert instance.settings["telemetry"] == {"enabled": False}
    assert read(DEPLOY / "kubernetes" / "values.yaml")["telemetry"] == {"enabled": False}


def test_the_workspace_is_the_compose_files_code_location(compose: dict[str, Any]) -> None:
    (origin,) = location_origins_from_yaml_paths([str(DEPLOY / "workspace.yaml")])
    assert isinstance(origin, GrpcServerCodeLocationOrigin)
    assert origin.host in compose["services"]
    command = compose["services"][origin.host]["command"]
    assert command[command.index("--port") + 1] == str(origin.port)


def test_on_kubernetes_secrets_are_where_they_are_read_and_leave_a_pod_room_for_its_own_token() -> None:
    values = read(DEPLOY / "kubernetes" / "values.yaml")
    (location,) = values["dagster-user-deployments"]["deployments"]
    (mounted,) = [mount["mountPath"] for mount in location["volumeMounts"] if mount["name"] == "secrets"]
    assert mounted == location["env"]["CREDENTIALS_DIRECTORY"]
    assert not mounted.startswith(("/run", "/var/run")), "the token is at /var/run/secrets/kubernetes.io"


def test_on_kubernetes_a_run_has_the_memory_that_is_asked_for_it() -> None:
    values = read(DEPLOY / "kubernetes" / "values.yaml")
    (location,) = values["dagster-user-deployments"]["deployments"]
    assert "resources" not in location, "a launched run would get the location's"
    assert (
        "memory"
        in values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["containerConfig"]["resources"]["limits"]
    )


def test_on_kubernetes_a_run_has_no_more_rights_than_in_a_container_of_our_own() -> None:
    values = read(DEPLOY / "kubernetes" / "values.yaml")
    (location,) = values["dagster-user-deployments"]["deployments"]
    run = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    for rights in (location["securityContext"], run["containerConfig"]["securityContext"]):
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
    assert location["podSecurityContext"] == run["podSpecConfig"]["securityContext"]
    assert f"USER {location['podSecurityContext']['runAsUser']}:" in (DEPLOY / "Dockerfile").read_text()
