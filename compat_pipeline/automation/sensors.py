"""The release sensors: one run of `refresh_matrix` for each new LiteLLM and each new Claude Code.

The run is made for the version that the sensor saw, under a run key that names it: whatever happens to the daemon, the
cursor or the registry in between, no version is skipped, and none is run twice.
"""

from collections.abc import Callable
from datetime import datetime, timezone

import dagster as dg

from compat_pipeline.assets.versions import claude_code_release, litellm_release
from compat_pipeline.automation.jobs import refresh_matrix
from compat_pipeline.domain.watch import Watch
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex

_INTERVAL_S = 600


@dg.sensor(
    job=refresh_matrix,
    minimum_interval_seconds=_INTERVAL_S,
    description="A run of refresh_matrix for each new LiteLLM release. Its cursor is the version seen last.",
)
def litellm_release_sensor(context: dg.SensorEvaluationContext, python_index: PythonIndex) -> dg.SensorResult:
    return _look(context, "LiteLLM", litellm_release.key, lambda: python_index.resolve("").request)


@dg.sensor(
    job=refresh_matrix,
    minimum_interval_seconds=_INTERVAL_S,
    description="A run of refresh_matrix for each new Claude Code release. Its cursor is the version seen last.",
)
def claude_code_release_sensor(context: dg.SensorEvaluationContext, npm: NpmRegistry) -> dg.SensorResult:
    return _look(context, "Claude Code", claude_code_release.key, lambda: npm.resolve("").version)


def _look(
    context: dg.SensorEvaluationContext, product: str, asset: dg.AssetKey, newest: Callable[[], str]
) -> dg.SensorResult:
    now, watch = datetime.now(timezone.utc), Watch.parse(context.cursor)
    if watch.rests(now):
        return _skip(watch, f"{product}: no answer {watch.failures} time(s) in a row, asked again {_at(watch)}")
    try:
        version = newest()
    except CompatError as error:
        watch = watch.unanswered(now)
        return _skip(watch, f"{product}: {error}\nasked again {_at(watch)}")
    if version == watch.version:
        return _skip(watch.seen(version), f"{product} {version} was seen before, and nothing newer is asked for")
    step = asset.to_python_identifier()
    request = dg.RunRequest(
        run_key=f"{step}:{version}",
        run_config={"ops": {step: {"config": {"version": version}}}},
        tags={"compat/because": f"{product} {version}"},
    )
    return dg.SensorResult(run_requests=[request], cursor=watch.seen(version).dump())


def _skip(watch: Watch, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=watch.dump())


def _at(watch: Watch) -> str:
    return f"from {watch.not_before:%Y-%m-%d %H:%M} UTC on" if watch.not_before else "at the next tick"
