"""The face of the pipeline in Dagster: every asset, check and job, as a person finds them in the UI."""

from __future__ import annotations

import dagster as dg
from syrupy.assertion import SnapshotAssertion

from compat_pipeline.assets.face import CELLS, MANIFEST
from compat_pipeline.definitions import defs


def test_every_asset_is_as_reviewed(snapshot: SnapshotAssertion) -> None:
    specs = sorted(defs.resolve_all_asset_specs(), key=lambda spec: spec.key.to_user_string())
    assert snapshot == [
        {
            "key": spec.key.to_user_string(),
            "description": spec.description,
            "group": spec.group_name,
            "owners": list(spec.owners),
            "kinds": sorted(spec.kinds),
            "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
            "partitioned": spec.partitions_def is not None,
        }
        for spec in specs
    ]


def test_every_check_job_sensor_and_schedule_is_as_reviewed(snapshot: SnapshotAssertion) -> None:
    graph = defs.resolve_asset_graph()
    assert snapshot == {
        "checks": sorted(f"{key.asset_key.to_user_string()}: {key.name}" for key in graph.asset_check_keys),
        "jobs": sorted(job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")),
        "sensors": {sensor.name: sensor.minimum_interval_seconds for sensor in defs.sensors or []},
        "schedules": {str(one.name): one.job_name for one in defs.schedules or []},  # type: ignore[union-attr]
    }


def test_the_partitions_are_the_planned_cells() -> None:
    assert {str(key) for key in CELLS.get_partition_keys()} == {cell.key for cell in MANIFEST.cells}


def test_the_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)
