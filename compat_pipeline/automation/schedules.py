"""The daily refresh. Off until it is switched on, in the UI or with `dagster schedule start`."""

import dagster as dg

from compat_pipeline.automation.jobs import refresh_matrix
from compat_pipeline.ground.timetable import Timetable

_WHEN = Timetable.from_env()

daily_refresh_schedule = dg.ScheduleDefinition(
    name="daily_refresh_schedule",
    job=refresh_matrix,
    cron_schedule=f"0 {_WHEN.hour} * * *",
    execution_timezone=_WHEN.zone,
    description="The whole walk once a day, at COMPAT_SCHEDULE_HOUR of COMPAT_TIME_ZONE.",
)
