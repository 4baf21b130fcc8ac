"""The run failure sensor: records every failed run with its reason.

Not here: the table that it writes (`orchestration.failures`).
"""

from __future__ import annotations

import dagster as dg

from segmentation_assets.orchestration.events import reason_of
from segmentation_assets.orchestration.failures import moment, record_failure
from segmentation_assets.orchestration.partitions import days_of_run
from segmentation_assets.orchestration.private_api import SCHEDULE_NAME_TAG, SENSOR_NAME_TAG, get_current_timestamp
from segmentation_assets.policy.model import Policy
from segmentation_assets.settings import Settings
from segmentation_assets.warehouse.store import Store

NAME = "run_failure_sensor"


def run_failures(settings: Settings, policy: Policy) -> dg.SensorDefinition:
    """The sensor of one home. It also records failed runs that were started in a terminal."""
    store = Store(settings.home)

    @dg.run_failure_sensor(
        name=NAME,
        monitor_all_code_locations=True,  # a run from a terminal belongs to no code location
        minimum_interval_seconds=policy.orchestration.sensors.alert_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Records every failed run with its reason: `segmentation show run_failures`.",
    )
    def sensor(context: dg.RunFailureSensorContext) -> None:
        run, steps = context.dagster_run, context.get_step_failure_events()
        record = context.instance.get_run_record_by_id(run.run_id)
        days = days_of_run(run.tags)
        reasons = [f"{event.step_key}: {reason_of(event)}" for event in steps]
        if not steps:  # the process died or was ended: the engine's last message is all there is
            entries = context.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)[-1:]
            reasons = [entry.user_message or entry.message for entry in entries]
            reasons += [context.failure_event.message or "failed"]
        record_failure(
            store,
            {
                "run_id": run.run_id,
                "job": run.job_name,
                "asked_by": run.tags.get(SENSOR_NAME_TAG) or run.tags.get(SCHEDULE_NAME_TAG),
                "as_of": ", ".join(map(str, days)) or None,
                "failed_at": moment((record and record.end_time) or get_current_timestamp()),
                "tables": ", ".join(str(event.step_key) for event in steps),
                "reason": "\n".join(reasons),
            },
        )
        context.log.error("\n".join(reasons))

    return sensor
