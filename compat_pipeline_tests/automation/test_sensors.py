"""The release sensors and the daily refresh: one run per new version, and quiet while a registry is down."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest

from compat_pipeline.automation import sensors
from compat_pipeline.automation.schedules import daily_refresh_schedule
from compat_pipeline.automation.sensors import claude_code_release_sensor, litellm_release_sensor
from compat_pipeline.definitions import defs
from compat_pipeline.domain.watch import Watch
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.resources.registries import PythonIndex
from compat_pipeline_tests.assets.conftest import LITELLM, PinnedIndex, PinnedNpm


class DownIndex(PythonIndex):
    def resolve(self, request: str) -> LitellmRelease:
        raise CompatError(f"cannot resolve LiteLLM {request or 'latest'}", "check the network")


class NewerIndex(PythonIndex):
    def resolve(self, request: str) -> LitellmRelease:
        return LITELLM.model_copy(update={"version": request or "1.107.1", "tag": f"v{request or '1.107.1'}"})


def tick(instance: dg.DagsterInstance, cursor: str | None, index: PythonIndex | None = None) -> dg.SensorResult:
    """One tick of the LiteLLM sensor."""
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"python_index": index or PinnedIndex()}, definitions=defs
    )
    result: Any = litellm_release_sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def reason(result: dg.SensorResult) -> str:
    skipped = result.skip_reason
    return str(skipped.skip_message if isinstance(skipped, dg.SkipReason) else skipped)


def requests(result: dg.SensorResult) -> list[dg.RunRequest]:
    return list(result.run_requests or [])


def test_a_new_version_is_one_run_made_for_that_version(instance: dg.DagsterInstance) -> None:
    (request,) = requests(tick(instance, None))
    assert request.run_key == "litellm_release:1.106.2"
    assert request.run_config == {"ops": {"litellm_release": {"config": {"version": "1.106.2"}}}}


def test_the_version_seen_is_no_second_run_and_the_reason_can_be_read(instance: dg.DagsterInstance) -> None:
    again = tick(instance, tick(instance, None).cursor)
    assert requests(again) == []
    assert reason(again) == "LiteLLM 1.106.2 was seen before, and nothing newer is asked for"


def test_a_version_after_the_one_seen_is_a_run(instance: dg.DagsterInstance) -> None:
    (request,) = requests(tick(instance, tick(instance, None).cursor, NewerIndex()))
    assert request.run_key == "litellm_release:1.107.1"


class CheckoutIndex(PythonIndex):
    def resolve(self, request: str) -> LitellmRelease:
        return LITELLM.model_copy(update={"policy": request or "path:litellm"})


def test_a_checkout_is_asked_for_as_the_checkout_that_it_is(instance: dg.DagsterInstance) -> None:
    (request,) = requests(tick(instance, None, CheckoutIndex()))
    assert request.run_config == {"ops": {"litellm_release": {"config": {"version": "path:litellm"}}}}


def test_a_lost_cursor_asks_for_the_same_run_key_which_dagster_runs_once(instance: dg.DagsterInstance) -> None:
    keys = [requests(tick(instance, cursor))[0].run_key for cursor in (None, "nonsense")]
    assert keys == ["litellm_release:1.106.2"] * 2


def test_the_other_sensor_watches_claude_code(instance: dg.DagsterInstance) -> None:
    context = dg.build_sensor_context(instance=instance, resources={"npm": PinnedNpm()}, definitions=defs)
    result: Any = claude_code_release_sensor(context)
    (request,) = requests(result)
    assert request.run_key == "claude_code_release:2.1.329"
    assert request.run_config == {"ops": {"claude_code_release": {"config": {"version": "2.1.329"}}}}


class Clock:
    """The time that the sensors read, and a hand to turn it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)

    def now(self, _: timezone) -> datetime:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    turned = Clock()
    monkeypatch.setattr(sensors, "datetime", turned)
    return turned


def test_a_registry_that_is_down_is_a_skip_with_its_reason_and_then_left_alone(
    instance: dg.DagsterInstance, clock: Clock
) -> None:
    seen = tick(instance, None).cursor
    down = tick(instance, seen, DownIndex())
    assert reason(down) == (
        "LiteLLM: cannot resolve LiteLLM latest\n  next: check the network\nasked again from 2026-11-21 12:10 UTC on"
    )
    clock.at += timedelta(minutes=5)
    resting = tick(instance, down.cursor, NewerIndex())
    assert reason(resting) == "LiteLLM: no answer 1 time(s) in a row, asked again from 2026-11-21 12:10 UTC on"
    clock.at += timedelta(minutes=5)
    (request,) = requests(tick(instance, resting.cursor, NewerIndex()))
    assert request.run_key == "litellm_release:1.107.1"


def test_a_registry_that_comes_back_with_the_version_seen_makes_no_run(
    instance: dg.DagsterInstance, clock: Clock
) -> None:
    down = tick(instance, tick(instance, None).cursor, DownIndex())
    clock.at += timedelta(hours=1)
    back = tick(instance, down.cursor)
    assert requests(back) == []
    assert Watch.parse(back.cursor) == Watch(version="1.106.2")


def test_the_requested_run_tests_the_version_that_was_seen(
    instance: dg.DagsterInstance, resources: dict[str, object]
) -> None:
    (request,) = requests(tick(instance, None, NewerIndex()))
    scripted = dg.Definitions(assets=defs.assets, jobs=defs.jobs, resources=resources, executor=dg.in_process_executor)
    done = scripted.resolve_job_def("refresh_matrix").execute_in_process(
        run_config={"ops": dict(request.run_config["ops"])},
        instance=instance,
        op_selection=["litellm_release"],
    )
    assert done.success
    (record,) = instance.fetch_materializations(dg.AssetKey("litellm_release"), limit=1).records
    assert record.asset_materialization is not None
    assert record.asset_materialization.metadata["tag"].value == "v1.107.1"


def test_the_daily_refresh_is_off_until_it_is_switched_on() -> None:
    schedule = daily_refresh_schedule
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 5 * * *", "UTC")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == "refresh_matrix"


def loaded(**settings: str) -> subprocess.CompletedProcess[str]:
    """The schedule, loaded by a process with these settings."""
    ask = (
        "from compat_pipeline.automation.schedules import daily_refresh_schedule as it;"
        "print(it.cron_schedule, it.execution_timezone)"
    )
    return subprocess.run([sys.executable, "-c", ask], env=settings, capture_output=True, text=True, timeout=120)


def test_its_hour_and_zone_are_settings() -> None:
    told = loaded(COMPAT_SCHEDULE_HOUR="7", COMPAT_TIME_ZONE="Asia/Tokyo").stdout
    assert told == "0 7 * * * Asia/Tokyo\n"


def test_a_wrong_setting_is_named_when_the_definitions_are_loaded() -> None:
    last_line = loaded(COMPAT_SCHEDULE_HOUR="25").stderr.strip().splitlines()[-2:]
    assert "COMPAT_SCHEDULE_HOUR is '25', which is no hour of a day" in last_line[0]
