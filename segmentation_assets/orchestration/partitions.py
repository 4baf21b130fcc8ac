"""Days as Dagster partitions.

Here: `as_of` partitions, their mappings for look-backs, a run's days from its tags. Not here: day arithmetic
(`tables.as_of`) or computing tables (`warehouse.building`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import dagster as dg

from segmentation_assets.orchestration.private_api import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from segmentation_assets.policy.model import Policy
from segmentation_assets.tables.as_of import LookBack, days_read

ALSO_TAG = "segmentation/also_as_of"
"""Run tag: days, comma-separated, that a run computes besides its partitions (when they are not one range)."""

# The year in which look-backs reach furthest: a leap year whose longest half year begins on a Monday.
_LONGEST_YEAR = [date(2024, 1, 1) + timedelta(days=i) for i in range(366)]


def as_of_partitions(policy: Policy) -> dg.DailyPartitionsDefinition:
    """One partition per complete day, from the policy's first day to yesterday in the company's timezone.

    `as_of` is the END of a day, so today is not a partition; see `request_for`.
    """
    return dg.DailyPartitionsDefinition(
        start_date=policy.orchestration.history_start.isoformat(), timezone=policy.company.timezone
    )


def request_for(day: date, today: date) -> tuple[str, Mapping[str, str]]:
    """Partition and tags of a run for `day`. Today is not a partition yet, so a run of yesterday computes it, too."""
    if day < today:
        return day.isoformat(), {}
    return (today - timedelta(days=1)).isoformat(), {ALSO_TAG: day.isoformat()}


def look_back_mapping(reads: LookBack, policy: Policy) -> dg.TimeWindowPartitionMapping:
    """A window of upstream days that contains every day that one `as_of` reads, in any year."""
    sections = policy.sections
    behind = max((day - read).days for day in _LONGEST_YEAR for read in days_read(reads, day, sections))
    return dg.TimeWindowPartitionMapping(start_offset=-behind, allow_nonexistent_upstream_partitions=True)


def tags_of_run(days: Iterable[date]) -> Mapping[str, str]:
    """Tags with which a run computes `days`: its partitions are the last consecutive days; a tag lists the others."""
    ordered = sorted(set(days))
    if not ordered:
        return {}
    first = len(ordered) - 1
    while first and ordered[first] - ordered[first - 1] == timedelta(days=1):
        first -= 1
    last = {
        ASSET_PARTITION_RANGE_START_TAG: ordered[first].isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: ordered[-1].isoformat(),
    }
    if first == len(ordered) - 1:
        last = {PARTITION_NAME_TAG: ordered[-1].isoformat()}
    also = {ALSO_TAG: ",".join(day.isoformat() for day in ordered[:first])} if first else {}
    return last | also


def partitions_of_run(tags: Mapping[str, str]) -> list[date]:
    """The run's partitions, which Dagster itself records; empty for a run without partitions."""
    if ASSET_PARTITION_RANGE_START_TAG in tags:
        first = date.fromisoformat(tags[ASSET_PARTITION_RANGE_START_TAG])
        last = date.fromisoformat(tags[ASSET_PARTITION_RANGE_END_TAG])
        return [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return [date.fromisoformat(tags[PARTITION_NAME_TAG])] if PARTITION_NAME_TAG in tags else []


def days_of_run(tags: Mapping[str, str]) -> list[date]:
    """All days that a run computes: its partitions and those in its tag."""
    also = [date.fromisoformat(text) for text in tags.get(ALSO_TAG, "").split(",") if text]
    return sorted({*also, *partitions_of_run(tags)})
