"""Policy section on running the chain: the first day, the owners of each stage, the schedules and sensors.

No table uses it, so changing it makes nothing stale. Not here: any number that a table uses.
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
    """How often the sensors look, and how long they wait before they retry a failed run."""

    arrival_seconds: Seconds
    """Between two looks at the sources. A file that changes in between is still being written."""
    billing_seconds: Seconds
    """Between two looks at the record of landed billing data."""
    alert_seconds: Seconds
    """Between two looks at the alerts and the record of failed runs."""
    retry_seconds: Seconds
    """A sensor waits this long before it retries a failed run, then twice as long each time."""
    retry_most_seconds: Seconds
    """The longest of these waits."""
    lost_seconds: Seconds
    """A run that started longer ago and has no process is lost."""
    starting_seconds: Seconds
    """A run that was launched longer ago and has not started is lost. A busy machine needs less to start one."""
    digest_lines: Annotated[int, Field(ge=1)]
    """Alerts that a digest lists. It counts the rest."""
    posts_digest: bool
    """Whether the alert sensors post the digest to Slack. false: only `segmentation digest --apply` does."""

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
    """When the chain runs by itself. Each run is for the day before."""

    daily: Cron
    """Usage, behavior and health."""
    weekly: Cron
    """Everything."""
    quarterly: Cron
    """The migration review of the quarter that ended, and the frozen cut-offs of the new one."""
    catch_up_days: Annotated[int, Field(ge=0)]
    """Runs missed within this many days are caught up. Older ones are not."""


class FreshnessPolicy(Section):
    """After how many hours a table is late: since it was made (in Dagster), since its day ended (in `status`)."""

    daily_warn_hours: Positive
    daily_fail_hours: Positive
    """Tables of the daily run."""
    weekly_warn_hours: Positive
    weekly_fail_hours: Positive
    """Tables of the weekly run."""

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        for name in ("daily", "weekly"):
            if getattr(self, f"{name}_warn_hours") >= getattr(self, f"{name}_fail_hours"):
                raise ValueError(f"{name}_warn_hours must be below {name}_fail_hours")
        return self


class OrchestrationPolicy(Section):
    """The first day, owners, schedules, sensors, and how runs wait."""

    history_start: date
    """The first day that can be run. Rules that look back also read earlier days, but the UI does not list those."""
    owners: Mapping[str, tuple[str, ...]]
    """Who is responsible for each stage of the chain: e-mail addresses or `team:name`."""
    schedules: SchedulesPolicy
    freshness: FreshnessPolicy
    patience_seconds: NotNegative
    """A run waits this long for another run of the same home. Then it gives up."""

    waits_for_disk: bool
    """Whether a run goes on only when a published table is on the disk. Then a power failure loses no table."""
    compact_after_days: NotNegative
    """`segmentation compact` packs days that are older than this."""

    sensors: SensorPolicy

    @field_validator("owners")
    @classmethod
    def _addresses(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        wrong = [owner for owners in value.values() for owner in owners if not _OWNER.fullmatch(owner)]
        if wrong:
            raise ValueError(f"an owner is an e-mail address or team:name, not {', '.join(wrong)}")
        return value
