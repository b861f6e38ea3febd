"""Dagster's own front doors, on a matrix of four cells: the command line, the web interface, the daemon."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import yaml

from compat_pipeline.ground.process import end_group, spawn
from compat_pipeline.proxy.folder import RuntimeFolder
from compat_pipeline_tests.e2e.conftest import BIN, LOCATION, Site, free_port, held, wait_for

CELL_RESULTS = dg.AssetKey("cell_results")
ONE_CELL = "vision|bedrock_converse/claude-haiku-4-5"
DIAGONAL = ["basic_messaging_streaming|anthropic/claude-haiku-4-5", ONE_CELL]


def materializations(site: Site, key: str) -> int:
    """How often a cell was materialised."""
    with dg.DagsterInstance.from_config(str(site.home.dagster)) as instance:
        found = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=CELL_RESULTS, asset_partitions=[key]), limit=100
        )
    return len(found.records)


def test_the_definitions_are_valid(small_site: Site) -> None:
    done = small_site.run("dagster", "definitions", "validate", *LOCATION)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def alone(small_site: Site) -> tuple[subprocess.CompletedProcess[str], int]:
    """One cell from the command line, before anything else ran here; how often it was materialised then."""
    assert small_site.processes() == []
    done = small_site.run(
        "dagster", "asset", "materialize", *LOCATION, "--select", "cell_results", "--partition", ONE_CELL
    )
    return done, materializations(small_site, ONE_CELL)


def test_one_cell_is_materialised_alone_with_no_proxy_running(
    alone: tuple[subprocess.CompletedProcess[str], int],
) -> None:
    done, times = alone
    assert done.returncode == 0, done.stderr[-3000:]
    assert times == 1


@pytest.fixture(scope="module")
def kept(small_site: Site, alone: tuple[subprocess.CompletedProcess[str], int]) -> Iterator[Callable[[], None]]:
    """Keeps the proxy that ran last for whoever comes next, until it is called."""
    assert alone[0].returncode == 0
    with ExitStack() as holds:
        for folder in RuntimeFolder.every(small_site.home):
            holds.enter_context(held(folder))
        yield holds.close


@pytest.fixture(scope="module")
def refreshed(
    small_site: Site,
    kept: Callable[[], None],  # noqa: ARG001 - it meets the proxy that ran last
) -> subprocess.CompletedProcess[str]:
    """`dagster job execute` of refresh_matrix, once."""
    return small_site.run("dagster", "job", "execute", *LOCATION, "-j", "refresh_matrix")


def test_job_execute_walks_the_whole_way(small_site: Site, refreshed: subprocess.CompletedProcess[str]) -> None:
    assert refreshed.returncode == 0, refreshed.stderr[-3000:]
    matrix = json.loads(small_site.home.matrix.read_text())
    assert [row["id"] for row in matrix["features"]] == ["basic_messaging_streaming", "vision"]
    assert (small_site.home.docs_repo / "compatibility-matrix.json").exists()


def test_job_execute_runs_cells_chosen_by_pattern(
    small_site: Site, refreshed: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    assert refreshed.returncode == 0
    before = materializations(small_site, ONE_CELL)
    choice = {"ops": {"run_chosen_cells": {"config": {"cells": ["vision|bedrock_*/*"]}}}}
    (tmp_path / "cells.yaml").write_text(yaml.safe_dump(choice))
    done = small_site.run("dagster", "job", "execute", *LOCATION, "-j", "run_cells", "-c", tmp_path / "cells.yaml")
    assert done.returncode == 0, done.stderr[-3000:]
    assert materializations(small_site, ONE_CELL) == before + 1


class Webserver:
    """The GraphQL that Dagster's pages speak."""

    def __init__(self, port: int) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)

    def up(self) -> bool:
        try:
            return self._client.get("/server_info").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self._client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert not answer.get("errors"), answer
        data: dict[str, Any] = next(iter(answer["data"].values()))
        return data

    def run_status(self, run_id: str) -> str:
        query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        return str(self.ask(query, id=run_id)["status"])


@pytest.fixture(scope="module")
def webserver(small_site: Site, refreshed: subprocess.CompletedProcess[str]) -> Iterator[Webserver]:
    """`compat ui`: webserver and daemon."""
    assert refreshed.returncode == 0
    port = free_port()
    with (small_site.home.root / "ui.log").open("wb") as log:
        process = spawn(
            [BIN / "compat", "ui", "--port", str(port)], env=small_site.environment, cwd=small_site.home.root,
            stdout=log, stderr=log,
        )  # fmt: skip
        server = Webserver(port)
        try:
            wait_for("the webserver", server.up)
            yield server
        finally:
            end_group(process, grace_s=20)


LAUNCH_RUN = """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
LAUNCH_BACKFILL = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status } } }"""


def test_one_cell_is_materialised_alone_from_the_web_interface(
    webserver: Webserver, small_site: Site, kept: Callable[[], None]
) -> None:
    kept()
    wait_for("the last run's proxy to go", lambda: not list(small_site.home.runtimes.glob("*/runtime.json")))
    before = materializations(small_site, ONE_CELL)
    launched = webserver.ask(
        LAUNCH_RUN,
        p={
            "selector": {
                "repositoryLocationName": "compat_pipeline.definitions",
                "repositoryName": "__repository__",
                "jobName": "__ASSET_JOB",
                "assetSelection": [{"path": ["cell_results"]}],
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": ONE_CELL}]},
        },
    )
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    wait_for("the run", lambda: webserver.run_status(run_id) in ("SUCCESS", "FAILURE"))
    assert webserver.run_status(run_id) == "SUCCESS"
    assert materializations(small_site, ONE_CELL) == before + 1


def test_a_backfill_of_scattered_cells_shares_one_proxy_that_is_gone_afterwards(
    webserver: Webserver, small_site: Site
) -> None:
    wait_for("the last run's proxy to go", lambda: not list(small_site.home.runtimes.glob("*/runtime.json")))
    before = {key: materializations(small_site, key) for key in DIAGONAL}
    launched = webserver.ask(
        LAUNCH_BACKFILL, p={"assetSelection": [{"path": ["cell_results"]}], "partitionNames": DIAGONAL}
    )
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    supervisors: set[int] = set()

    def finished() -> bool:
        for descriptor in small_site.home.runtimes.glob("*/runtime.json"):
            supervisors.add(json.loads(descriptor.read_text())["supervisor_pid"])
        status = webserver.ask(BACKFILL, id=launched["backfillId"])["status"]
        assert "FAIL" not in status
        return bool(status == "COMPLETED_SUCCESS")

    wait_for("the backfill", finished)
    assert {key: materializations(small_site, key) for key in DIAGONAL} == {key: n + 1 for key, n in before.items()}
    assert len(supervisors) == 1
    wait_for("the proxy to go", lambda: not list(small_site.home.runtimes.glob("*/runtime.json")))
