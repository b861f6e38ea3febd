"""The alert sensor: tells people of failed runs, of a pipeline that stands still, and of checks that found something.

"Once" is kept in the sensor's cursor: which open incidents were told, and which still wait because the webhook was
down. What waits is told when it is up again, come right or not, and never after.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from compat_pipeline.assets.matrix import ANOMALY, REGRESSION, compatibility_matrix
from compat_pipeline.assets.publication import NOT_REFUSED, PUBLISHED_WITHIN, published_docs_commit
from compat_pipeline.assets.versions import NOT_STALE, claude_code_release, litellm_release
from compat_pipeline.automation.jobs import refresh_matrix
from compat_pipeline.domain.incidents import Incident, Log, by_title, failed_check, failed_run, overdue, refused
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.resources.alerts import Alerts

_WATCHED = {
    dg.AssetCheckKey(compatibility_matrix.key, REGRESSION): "cells that are published as pass fail now",
    dg.AssetCheckKey(compatibility_matrix.key, ANOMALY): "a whole row or column turned at once: look at the machines",
    dg.AssetCheckKey(litellm_release.key, NOT_STALE): "LiteLLM: the same old version, although newer ones exist",
    dg.AssetCheckKey(
        claude_code_release.key, NOT_STALE
    ): "Claude Code: the same old version, although newer ones exist",
}
"""Asset check -> the title of its incidents. Each lists what it found under `found`."""

_PUBLISHED = dg.AssetCheckKey(published_docs_commit.key, NOT_REFUSED)

_OUR_ERRORS = re.compile(r"^compat_pipeline\.ground\.errors\.\w+: ")
"""What Dagster puts before words that are meant for people as they are."""

_RECENT = 20
"""How many executions of a check to look through for one that has ended."""


@dg.sensor(
    minimum_interval_seconds=60,
    description="Tells of failed runs, refused or overdue commits, regressions and stale versions, by webhook and log.",
)
def alert_sensor(context: dg.SensorEvaluationContext, alerts: Alerts) -> dg.SensorResult:
    found = list(_incidents(context.instance, datetime.now(timezone.utc)))
    log = Log.parse(context.cursor).seen(found)
    fresh = by_title(log.waiting)
    if fresh:
        try:
            alerts.tell(fresh)
        except CompatError as error:
            told = f"{len(fresh)} incident(s) could not be told, tried again: {error}"
            return dg.SensorResult(skip_reason=told, cursor=log.dump())
    titles = "; ".join(incident.title for incident in fresh)
    return dg.SensorResult(
        skip_reason=f"told: {titles}" if fresh else f"nothing new; {len(found)} incident(s) open",
        cursor=Log.all_told(found).dump(),
    )


def _incidents(instance: dg.DagsterInstance, now: datetime) -> Iterator[Incident]:
    """Everything that is wrong at `now`."""
    yield from _failed_run(instance)
    if late := overdue("published_docs_commit", _last_made(instance, published_docs_commit.key), now, PUBLISHED_WITHIN):
        yield late
    if (published := _last(instance, _PUBLISHED)) and not published.passed:
        yield refused("published_docs_commit", str(published.metadata["reason"].value))
    for check, title in _WATCHED.items():
        if last := _last(instance, check):
            yield from failed_check(check.asset_key.to_user_string(), check.name, title, _found(last))


def _failed_run(instance: dg.DagsterInstance) -> Iterator[Incident]:
    ended = dg.RunsFilter(
        job_name=refresh_matrix.name, statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    )
    for run in instance.get_runs(ended, limit=1):
        if run.status == dg.DagsterRunStatus.FAILURE:
            yield failed_run(run.job_name, f"{_why(instance, run.run_id)} (run {run.run_id})")


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the failed step said, or Dagster of the run."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        if entry.dagster_event and entry.dagster_event.is_step_failure:
            failure = entry.dagster_event.step_failure_data
            if failure.user_failure_data and failure.user_failure_data.description:
                return failure.user_failure_data.description
            if failure.error:
                return _OUR_ERRORS.sub("", (failure.error.cause or failure.error).message)
    return "no step failed; its process may have been killed"


def _last_made(instance: dg.DagsterInstance, asset: dg.AssetKey) -> datetime | None:
    records = instance.fetch_materializations(asset, limit=1).records
    return datetime.fromtimestamp(records[0].timestamp, timezone.utc) if records else None


def _last(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> dg.AssetCheckEvaluation | None:
    """What the check found last: one that is only planned, in a run under way, has not been evaluated.

    Nor has one that could not be told, such as one against a docs repository out of reach: what it found before holds.
    """
    for record in instance.event_log_storage.get_asset_check_execution_history(check, limit=_RECENT):
        seen = record.evaluation
        if isinstance(seen, dg.AssetCheckEvaluation) and "unknown" not in seen.metadata:
            return seen
    return None


def _found(evaluation: dg.AssetCheckEvaluation) -> list[str]:
    found: Any = evaluation.metadata["found"].value
    return [str(entry) for entry in found]
