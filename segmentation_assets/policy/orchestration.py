"""Policy section on running the chain: how far back days go, who answers for which stage, when it runs by itself.

No table declares it, so changing it makes nothing stale. Not here: anything that a table computes with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from segmentation_assets.policy.company import NotNegative, Positive
from segmentation_assets.policy.section import Section

Seconds = Annotated[int, Field(ge=1)]
_OWNER = re.compile(r"team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+\.[^@\s]+")


class SensorPolicy(Section):
    """How often the sensors look, and how long a failed run is left alone."""

    arrival_seconds: Seconds
    """Between two looks at the sources; a file that changed between them is still being written."""
    billing_seconds: Seconds
    """Between two looks at the record of landed billing data."""
    alert_seconds: Seconds
    """Between two looks at the alerts and the record of failed runs."""
    retry_seconds: Seconds
    """Before a failed run of a sensor is asked for again; twice as long each time."""
    retry_most_seconds: Seconds
    """The longest of these waits."""
    lost_seconds: Seconds
    """A run that says it has been at work for longer, and that no process works on, is lost."""
    starting_seconds: Seconds
    """A run that was launched longer ago, and has not begun, is lost: more than a busy machine needs to start one."""
    digest_lines: Annotated[int, Field(ge=1)]
    """Alerts that a digest names; of the rest, it gives the number."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.retry_most_seconds < self.retry_seconds:
            raise ValueError("retry_most_seconds must not be less than retry_seconds")
        return self


# Minute, hour, day of month, month, day of week: the numbers that each may hold.
_CRON_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_CRON_PART = re.compile(r"(\*|\d+(-\d+)?)(/[1-9]\d*)?")


def _cron(value: str) -> str:
    fields = value.split()
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError("a time is five cron fields: minute hour day month weekday, such as 0 6 * * *")
    for field, (least, most) in zip(fields, _CRON_FIELDS, strict=True):
        for part in field.split(","):
            if not _CRON_PART.fullmatch(part):
                raise ValueError(f"{part!r} is no cron field such as *, 6, 1-5 or */15")
            numbers = [int(n) for n in re.findall(r"\d+", part.partition("/")[0])]
            if any(not least <= n <= most for n in numbers) or numbers != sorted(numbers):
                raise ValueError(f"{part!r} must be within {least} and {most}")
    return value


Cron = Annotated[str, AfterValidator(_cron)]
"""A time in cron's five fields, in the company's timezone."""


class SchedulesPolicy(Section):
    """When the chain runs by itself. Each run is for the last complete day: the one before."""

    daily: Cron
    """Usage, behaviour and health."""
    weekly: Cron
    """Everything."""
    quarterly: Cron
    """The migration review of the quarter that ended, and the frozen cut-offs of the new one."""
    catch_up_days: Annotated[int, Field(ge=0)]
    """Times missed longer ago than this, because nothing was running, are left out; later ones are caught up with."""


class FreshnessPolicy(Section):
    """After how many hours what people read is late: since it was made (Dagster), since its day ended (`status`)."""

    daily_warn_hours: Positive
    daily_fail_hours: Positive
    """Tables that the daily run makes."""
    weekly_warn_hours: Positive
    weekly_fail_hours: Positive
    """Tables that the weekly run makes."""

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        for name in ("daily", "weekly"):
            if getattr(self, f"{name}_warn_hours") >= getattr(self, f"{name}_fail_hours"):
                raise ValueError(f"{name}_warn_hours must be below {name}_fail_hours")
        return self


class OrchestrationPolicy(Section):
    """What the scheduler shows and allows."""

    history_start: date
    """First day that can be asked for; earlier days are read where a rule looks back, but have no place in the UI."""
    owners: Mapping[str, tuple[str, ...]]
    """Who answers for each stage of the chain: e-mail addresses or `team:name`."""
    schedules: SchedulesPolicy
    freshness: FreshnessPolicy
    patience_seconds: NotNegative
    """How long a run waits for another one that works in the same home before it gives up."""

    waits_for_disk: bool
    """Whether what is published is on the disk before a run goes on: then a power failure loses nothing of it."""
    sensors: SensorPolicy

    @field_validator("owners")
    @classmethod
    def _addresses(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        wrong = [owner for owners in value.values() for owner in owners if not _OWNER.fullmatch(owner)]
        if wrong:
            raise ValueError(f"an owner is an e-mail address or team:name, not {', '.join(wrong)}")
        return value
