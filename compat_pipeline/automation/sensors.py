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

INTERVAL_S = 600


@dg.sensor(
    job=refresh_matrix,
    minimum_interval_seconds=INTERVAL_S,
    description="A run of refresh_matrix for each new LiteLLM release. Its cursor is the version seen last.",
)
def litellm_release_sensor(context: dg.SensorEvaluationContext, python_index: PythonIndex) -> dg.SensorResult:
    step = litellm_release.key.to_python_identifier()
    return look(context, "LiteLLM", step, lambda: python_index.resolve("").request, _for_version(step))


@dg.sensor(
    job=refresh_matrix,
    minimum_interval_seconds=INTERVAL_S,
    description="A run of refresh_matrix for each new Claude Code release. Its cursor is the version seen last.",
)
def claude_code_release_sensor(context: dg.SensorEvaluationContext, npm: NpmRegistry) -> dg.SensorResult:
    step = claude_code_release.key.to_python_identifier()
    return look(context, "Claude Code", step, lambda: npm.resolve("").version, _for_version(step))


def _for_version(step: str) -> Callable[[str], dict[str, object]]:
    return lambda version: {"ops": {step: {"config": {"version": version}}}}


def look(
    context: dg.SensorEvaluationContext,
    product: str,
    about: str,
    newest: Callable[[], str],
    configured: Callable[[str], dict[str, object]],
) -> dg.SensorResult:
    """One tick: a run, `configured` for the version, if `newest` is one that was not seen before.

    Run keys begin with `about`. A registry that does not answer is asked less and less often.
    """
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
    request = dg.RunRequest(
        run_key=f"{about}:{version}",
        run_config=configured(version),
        tags={"compat/because": f"{product} {version}"},
    )
    return dg.SensorResult(run_requests=[request], cursor=watch.seen(version).dump())


def _skip(watch: Watch, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=watch.dump())


def _at(watch: Watch) -> str:
    return f"from {watch.not_before:%Y-%m-%d %H:%M} UTC on" if watch.not_before else "at the next tick"
