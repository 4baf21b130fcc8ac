"""The schedules and sensors of a home: whether they are on, and when they act next.

Here: combining their definitions with the switches of this home. Not here: what they do (`orchestration.schedules`,
`orchestration.sensors`), or the daemon that runs them (`screens`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.orchestration.private_api import InstigatorType, next_tick, switches
from segmentation_assets.running.instance import open_instance
from segmentation_assets.settings import Settings

_DEFAULT_INTERVAL_SECONDS = 30
"""Dagster's interval for sensors that do not set one."""


@dataclass(frozen=True)
class Automation:
    """One schedule or sensor. `acts`: the next tick of a schedule, or how often a sensor looks."""

    name: str
    kind: str
    is_on: bool
    acts: str


def automations(settings: Settings, now: datetime | None = None) -> list[Automation]:
    """Schedules and sensors by name. Raises PolicyError."""
    repository = build_defs(settings=settings).get_repository_def()
    with open_instance(settings) as instance:
        switches_set = switches(instance)
    moment = now or datetime.now(UTC)
    actors = [*_schedules(repository, moment), *_sensors(repository)]
    return [
        Automation(each.name, each.kind, switches_set.get((kind, each.name), each.is_on), each.acts)
        for kind, each in sorted(actors, key=lambda item: (item[0].value, item[1].name))
    ]


def _schedules(repository: dg.RepositoryDefinition, moment: datetime) -> Iterator[tuple[InstigatorType, Automation]]:
    for schedule in repository.schedule_defs:
        tick = next_tick(str(schedule.cron_schedule), schedule.execution_timezone or "UTC", moment)
        is_on = schedule.default_status == dg.DefaultScheduleStatus.RUNNING
        text = f"next {tick:%a %Y-%m-%d %H:%M %Z}"
        yield InstigatorType.SCHEDULE, Automation(schedule.name, "schedule", is_on, text)


def _sensors(repository: dg.RepositoryDefinition) -> Iterator[tuple[InstigatorType, Automation]]:
    for sensor in repository.sensor_defs:
        is_on = sensor.default_status == dg.DefaultSensorStatus.RUNNING
        text = f"looks every {sensor.minimum_interval_seconds or _DEFAULT_INTERVAL_SECONDS} s"
        yield InstigatorType.SENSOR, Automation(sensor.name, "sensor", is_on, text)
