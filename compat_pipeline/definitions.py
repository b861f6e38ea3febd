"""What Dagster loads; nothing else."""

from __future__ import annotations

import gc

import dagster as dg

from compat_pipeline.assets import cells, environment, matrix, page, publication, runtime, versions
from compat_pipeline.automation import alerts, controls, gate, jobs, schedules, sensors, variants
from compat_pipeline.automation import environment as environments
from compat_pipeline.ground.amount import budget_usd
from compat_pipeline.resources.alerts import Alerts
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.resources.environments import EnvironmentRunner
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex
from compat_pipeline.resources.runtime import ProxyRuntime

_MODULES = [versions, runtime, cells, matrix, publication, page, environment]
_HOME, _INDEX, _NPM, _RUNTIME = Home(), PythonIndex(), NpmRegistry(), ProxyRuntime()

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(_MODULES),
    jobs=[
        *(jobs.refresh_matrix, jobs.run_cells, controls.prove_controls, variants.compare_variants, gate.pr_gate),
        *(environments.refresh_environment, environments.run_environments, environments.bisect_environment),
    ],
    sensors=[
        *(sensors.litellm_release_sensor, sensors.claude_code_release_sensor, alerts.alert_sensor),
        *(environments.environment_litellm_sensor, environments.accelerator_release_sensor),
    ],
    schedules=[schedules.daily_refresh_schedule, environments.weekly_environment_schedule],
    resources={
        "home": _HOME,
        "python_index": _INDEX,
        "npm": _NPM,
        "runtime": _RUNTIME,
        "docs_repo": DocsRepo(),
        "alerts": Alerts(),
        "environment_runner": EnvironmentRunner(home=_HOME, python_index=_INDEX, npm=_NPM),
        "cell_runner": CellRunner(home=_HOME, python_index=_INDEX, npm=_NPM, runtime=_RUNTIME, budget_usd=budget_usd()),
    },
    # Cells run in a pool of our own inside one step; a process per step would only add start-up time.
    executor=dg.in_process_executor,
)

# What is loaded now stays: without this, looking through it for garbage is a fifth of a run's own CPU.
gc.freeze()
