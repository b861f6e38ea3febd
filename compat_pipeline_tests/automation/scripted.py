"""The pipeline's definitions over a scripted runner, for Dagster's own command line in a process of its own.

COMPAT_TEST_OUTCOMES holds a JSON object, cell key -> outcome; every other cell passes. LiteLLM `path:broken` does not
install.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import dagster as dg

from compat_pipeline import definitions
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.observation import OUTCOME, Outcome
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.resources.alerts import Alerts
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex
from compat_pipeline.resources.runtime import ProxyRuntime
from compat_pipeline_tests.assets.conftest import CLAUDE_CODE, LITELLM, ScriptedRunner
from compat_pipeline_tests.assets.environments import ScriptedEnvironments

OUTCOMES_VARIABLE = "COMPAT_TEST_OUTCOMES"
BROKEN = "path:broken"


class Checkouts(PythonIndex):
    def resolve(self, request: str) -> LitellmRelease:
        if request == BROKEN:
            raise CompatError("LiteLLM in broken does not install")
        return LITELLM


class OneClaudeCode(NpmRegistry):
    def resolve(self, request: str) -> ClaudeCodeRelease:
        return CLAUDE_CODE.model_copy(update={"policy": request})


def scripted(outcomes: Mapping[str, Outcome], index: PythonIndex | None = None) -> dg.Definitions:
    """The real jobs; `outcomes` holds those cells that do not pass, `index` knows other versions than one."""

    class Runner(ScriptedRunner):
        pass

    Runner.outcomes, Runner.observed, Runner.plain = dict(outcomes), [], []
    home, index, npm, runtime = Home(), index or Checkouts(), OneClaudeCode(), ProxyRuntime()
    resources = {
        "home": home,
        "python_index": index,
        "npm": npm,
        "runtime": runtime,
        "docs_repo": DocsRepo(),
        "alerts": Alerts(),
        "environment_runner": ScriptedEnvironments(home=home, python_index=index, npm=npm),
        "cell_runner": Runner(home=home, python_index=index, npm=npm, runtime=runtime),
    }
    real = definitions.defs
    return dg.Definitions(
        assets=real.assets,
        jobs=real.jobs,
        sensors=real.sensors,
        schedules=real.schedules,
        resources=resources,
        executor=dg.in_process_executor,
    )


def _from_environment() -> dict[str, Outcome]:
    told: dict[str, object] = json.loads(os.environ.get(OUTCOMES_VARIABLE) or "{}")
    return {cell: OUTCOME.validate_python(outcome) for cell, outcome in told.items()}


defs = scripted(_from_environment())
