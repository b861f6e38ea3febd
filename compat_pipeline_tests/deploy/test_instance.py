"""The production instance and its workspace, as Dagster itself reads them; the values for Kubernetes beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster._serdes import ConfigurableClassData
from dagster_docker import DockerRunLauncher
from dagster_postgres import DagsterPostgresStorage

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
